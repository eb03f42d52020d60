"""The endpoints, each with its method, path and the status of its answer."""

from __future__ import annotations

from urllib.parse import quote

from ..value import Value

PREFIX = "/api/v1"

EXTENSIONS = "x-rushmodel"
"""A header. In a request: "1" where the client understands what `serve` can do and RushDB cannot
(records tell ``__version``, ``if-match`` refuses a write by it, a vector of null is taken away); in an
answer: the version of the `serve` that gave it."""

VERSION_HEADER = "if-match"

TRANSACTION_HEADER = "x-transaction-id"
"""The transaction that a request belongs to."""

LIMIT_ROWS = "limitRows"
"""In a search query with ``select``, for clients that understand the extensions: true where limit and skip
are of the rows, whatever their order."""

CODE = "code"
"""In an error's body, for clients that understand the extensions: the class of the error."""

DETAILS = "details"
"""As `CODE`: those of the error's attributes that JSON can say."""


class Route(Value):
    """An endpoint. ``{id}`` in the path stands for an id of a record, a policy or a transaction."""

    method: str
    path: str
    status: int = 200

    def at(self, *ids: str) -> str:
        """The path with ids in their places, quoted."""
        head, *tails = self.path.split("{id}")
        return head + "".join(quote(each, safe="") + tail for each, tail in zip(ids, tails, strict=True))


LIST_POLICIES = Route("GET", "/ai/indexes")
CREATE_POLICY = Route("POST", "/ai/indexes", 201)
DELETE_POLICY = Route("DELETE", "/ai/indexes/{id}", 202)
POLICY_STATS = Route("GET", "/ai/indexes/{id}/stats")
UPSERT_VECTORS = Route("POST", "/ai/indexes/{id}/vectors/upsert")
SEARCH_VECTORS = Route("POST", "/ai/search")
CREATE_RECORD = Route("POST", "/records", 201)
GET_RECORD = Route("GET", "/records/{id}")
PATCH_RECORD = Route("PATCH", "/records/{id}", 201)
PUT_RECORD = Route("PUT", "/records/{id}", 201)
DELETE_RECORD = Route("DELETE", "/records/{id}")
FIND_RECORDS = Route("POST", "/records/search")
DELETE_RECORDS = Route("POST", "/records/delete", 201)
IMPORT_JSON = Route("POST", "/records/import/json", 201)
IMPORT_CSV = Route("POST", "/records/import/csv", 201)
EXPORT_CSV = Route("POST", "/records/export/csv")
FIND_NEAR_RECORD = Route("POST", "/records/{id}/search")
ATTACH = Route("POST", "/relationships/{id}", 201)
DETACH = Route("PUT", "/relationships/{id}")
FIND_RELATIONSHIPS = Route("POST", "/relationships/search")
CREATE_RELATIONSHIPS = Route("POST", "/relationships/create-many", 201)
DELETE_RELATIONSHIPS = Route("POST", "/relationships/delete-many")
BEGIN = Route("POST", "/tx")
GET_TRANSACTION = Route("GET", "/tx/{id}")
COMMIT = Route("POST", "/tx/{id}/commit")
ROLLBACK = Route("POST", "/tx/{id}/rollback")
SETTINGS = Route("GET", "/sdk/settings")
DASHBOARD_SETTINGS = Route("GET", "/settings")
COUNT_LABELS = Route("POST", "/labels/search")
FIND_PROPERTIES = Route("POST", "/properties/search")
GET_PROPERTY = Route("GET", "/properties/{id}")
LIST_VALUES = Route("POST", "/properties/{id}/values")
DELETE_PROPERTY = Route("DELETE", "/properties/{id}")
GET_SCHEMA = Route("POST", "/ai/schema")
GET_SCHEMA_MARKDOWN = Route("POST", "/ai/schema/md")

GET_VECTORS = Route("POST", "/records/vectors")
"""An extension: RushDB gives no vectors back."""

SAVE_GRAPH = Route("POST", "/graph")
"""An extension: records of several labels, and relationships among them, in one transaction."""

FIND_RELATED = Route("POST", "/graph/related")
"""An extension: the records that are one relationship away from others, and the relationships."""
