"""Where `serve` answers otherwise than the recorded server, each with the rule that says so.

A rule is one of docs/rules.md; "promise" and "decision" stand for what a store keeps beyond them, "scope"
for what `serve` does not offer; "5xx" in a reason is a request that the server failed at. Whatever is not
listed here must agree, and what is listed must differ.
"""

from __future__ import annotations

from typing import NamedTuple


class Difference(NamedTuple):
    """``status`` is ours.

    ``without``: sent again without these properties it agrees. ``deleting``: it agrees once the
    record of that exchange was deleted. ``approximate``: the recorded scores come from an
    approximate index (R11), ours are those of the formula (R10).
    """

    rule: str
    status: int
    why: str
    without: tuple[str, ...] = ()
    deleting: str | None = None
    approximate: bool = False


def _each(file: str, difference: Difference, *names: str) -> dict[tuple[str, str], Difference]:
    return {(file, name): difference for name in names}


_STATUS = Difference(
    "R3", 200, "a policy is ready once it holds a vector, and its status is worked out when asked"
)
_KEPT = Difference("R6", 200, "a write drops no vector that it was not told to drop")
_APPROXIMATE = Difference("R11", 200, "every search is exact", approximate=True)
_BIG = ("big", "maxsafe")

DIFFERENCES: dict[tuple[str, str], Difference] = {
    **_each(
        "01_index_create",
        Difference("R28", 201, "a managed policy waits for an embedder"),
        "managed no dims",
        "managed with dims",
    ),
    ("01_index_create", "managed explicit sourceType"): Difference("R28", 409, "the one before made it"),
    **_each(
        "01_index_create",
        Difference("R2", 400, "no server could index that label: refused rather than 500"),
        "label with space",
        "label with dash",
        "label with digit first",
        "label with backtick",
        "label unicode",
    ),
    ("01_index_create", "property __id"): Difference("R27", 400, "system names are no properties"),
    ("01_index_create", "list"): Difference(
        "R28", 200, "managed policies are there, and those of R2 and R27 not"
    ),
    **_each(
        "02_index_stats_delete",
        Difference("R3", 404, "there is no such index"),
        "stats unknown uuid",
        "stats not uuid",
    ),
    **_each(
        "03_index_status_transitions",
        _STATUS,
        "list after 1 of 3",
        "list after upsert while 3 of 4",
        "list after deleting the un-vectored record",
        "list 65 s later (does a scheduler change it?)",
        "list after inline vector for the only record",
        "list after un-vectored 2nd record",
        "list final",
    ),
    **_each(
        "03_index_status_transitions",
        _KEPT,
        "stats after update",
        "stats after PUT",
        "stats after PUT dropping property",
    ),
    **_each(
        "04_vectors_upsert",
        Difference("R9", 422, "no policy could hold that vector"),
        "vector 1e300 (overflows float32)",
        "zero vector",
    ),
    ("04_vectors_upsert", "vector 1e999"): Difference("R9", 400, "a number that is infinite is no JSON"),
    **_each(
        "04_vectors_upsert",
        Difference("R7", 422, "5xx: items is what the request is about"),
        "items missing",
        "items object",
    ),
    ("04_vectors_upsert", "no body"): Difference("R23", 400, "5xx: a body is required"),
    ("05_create_inline_vectors", "vectors object"): Difference("R5", 422, "a vector is not passed over"),
    **_each(
        "05_create_inline_vectors",
        Difference("R9", 422, "5xx: that is no vector"),
        "vector missing",
        "vector null",
        "zero query vector",
        "zero query vector filtered",
    ),
    ("05_create_inline_vectors", "vector 1e999"): Difference(
        "R9", 400, "a number that is infinite is no JSON"
    ),
    ("05_create_inline_vectors", "zero vector with cosine"): Difference("R9", 422, "no policy could hold it"),
    ("05_create_inline_vectors", "search with zero vector stored (unfiltered)"): _APPROXIMATE,
    **_each(
        "05_create_inline_vectors",
        Difference("R9", 200, "5xx: the zero vector is not there, nor its record"),
        "search with zero vector stored (filtered = exact)",
    ),
    **_each(
        "05_create_inline_vectors",
        Difference("R9", 200, "without the records of the zero vector and of the vectors that are an object"),
        "stats (does the zero vector count?)",
        "stats #2",
    ),
    ("05_create_inline_vectors", "index euclid 3 (now ambiguous)"): Difference(
        "R2",
        422,
        "one record has numbers under that property",
        deleting="vector named in data instead (body is a float array)",
    ),
    ("05_create_inline_vectors", "statuses"): _STATUS,
    ("06_update_upsert_vectors", "PATCH only vectors"): Difference("R5", 404, "5xx: vectors need the label"),
    **_each(
        "06_update_upsert_vectors",
        _KEPT,
        "stats: vector kept when the text changes?",
        "stats: vector kept when PUT repeats the same data?",
    ),
    ("06_update_upsert_vectors", "PATCH changes label"): Difference(
        "R6", 404, "under the other label there is no policy, and the vector would be lost"
    ),
    **_each("07_import_vectors", _STATUS, "list", "list #2"),
    ("07_import_vectors", "json: top-level vectors key (createMany style)"): Difference(
        "R5", 400, "vectors belong into the rows; they are not passed over"
    ),
    ("07_import_vectors", "labels now"): Difference(
        "R5", 200, "without the two rows of the request with a vectors key"
    ),
    ("07_import_vectors", "stats #2"): Difference("R5", 200, "without the two rows of the request before"),
    ("07_import_vectors", "json $vectors not a list"): Difference("R5", 422, "a vector is not passed over"),
    **_each(
        "08_search_scores",
        _APPROXIMATE,
        "cosine unfiltered (vector index path)",
        "cosine query scaled x7",
        "cosine query [1,2,3]",
        "cosine query [0.3,-0.2,0.9]",
        "euclid query 0 unfiltered",
        "euclid query [1,2,3]",
    ),
    ("08_search_scores", "euclid query 0 without similarityFunction"): Difference(
        "R12", 200, "the one policy that fits is meant"
    ),
    **_each(
        "09_search_params",
        _APPROXIMATE,
        "default limit (no limit given)",
        "limit 3",
        "limit 3 skip 2",
        "limit 1.5",
        'limit string "2"',
        "where empty where",
        "labels string",
        "dimensions given right",
    ),
    ("09_search_params", "limit string abc"): Difference("R16", 400, "that is no limit"),
    ("09_search_params", "where $type"): Difference("query language", 200, "$type goes with other operators"),
    **_each(
        "09_search_params",
        Difference("R13", 400, "a condition that cannot be understood is not one that nothing satisfies"),
        "where unknown operator",
        "where is a list",
    ),
    ("09_search_params", "labels missing"): Difference("R13", 400, "5xx: a search needs labels"),
    ("09_search_params", "two labels both indexed: B rows too?"): Difference(
        "R13", 200, "all labels are searched"
    ),
    ("09_search_params", "no sourceType"): Difference("R12", 200, "the one policy that fits is meant"),
    **_each(
        "09_search_params",
        Difference("R13", 422, "there is a policy, and no embedder that could turn text into a vector (R28)"),
        "text query on an external index (no dims)",
        "managed search text when no model is configured",
    ),
    **_each(
        "09_search_params",
        Difference("R9", 422, "that is no vector"),
        "queryVector with null",
        "queryVector with string",
        "queryVector string",
    ),
    ("09_search_params", "ambiguous similarity: which is used?"): Difference(
        "R12", 422, "several policies fit"
    ),
    ("09_search_params", "empty body"): Difference("R13", 422, "5xx: a search needs a vector"),
    ("09_search_params", "no body"): Difference("R23", 400, "5xx: a body is required"),
    **_each(
        "10_create_types",
        Difference("R15", 400, "integers past 2**53 are refused, since digits would be lost", without=_BIG),
        "all types suggestTypes true",
        "all types no options",
        "all types suggestTypes false",
    ),
    ("10_create_types", "get by id"): Difference(
        "R15", 200, "the record without those integers", without=_BIG
    ),
    ("10_create_types", "array only nulls"): Difference("R15", 400, "a list that holds null is a mixed one"),
    ("10_create_types", "properties list"): Difference(
        "R15", 200, "without the properties of what was refused, those integers and $a (R27) among them"
    ),
    ("10_create_types", "no label"): Difference("decision: records", 400, "a record has a label"),
    ("10_create_types", "key with $"): Difference("R27", 400, "names that begin with $ are no properties"),
    ("10_create_types", "number 1e999"): Difference("R9", 400, "a number that is infinite is no JSON"),
    **_each(
        "11_get_update_delete",
        Difference("R24", 201, "5xx: properties may stand beside the label, too"),
        "patch flat body (SDK 3.0.0 update form)",
        "patch flat body with label",
        "put flat",
    ),
    **_each(
        "11_get_update_delete",
        Difference("R17", 400, "that would delete every record"),
        "delete empty body",
        "delete no body",
        "delete empty where",
    ),
    ("11_get_update_delete", "what is left"): Difference("R17", 200, "what was not deleted"),
    **_each(
        "16_labels_properties",
        Difference("query language", 200, "labels and where choose the records whose properties are told"),
        "properties of P",
        "properties where",
    ),
    **_each(
        "16_labels_properties",
        Difference("decision: the schema", 200, "as it is now; the server told of a deleted property"),
        "ai schema",
        "ai schema md",
    ),
    ("12_find_where", "where nested logical"): Difference("R25", 200, "a $not in a list means what it says"),
    ("12_find_where", "where field-level $not value"): Difference(
        "query language", 200, "5xx: it is answered"
    ),
    **_each(
        "12_find_where",
        Difference("R13", 400, "a condition that cannot be understood is not one that nothing satisfies"),
        "where unknown op",
        "where unknown logical",
        "where mixed ops + nested on a property",
    ),
    ("12_find_where", "__id eq"): Difference("R26", 200, "__id in where means the id"),
    ("12_find_where", "limit 1.5"): Difference("R16", 400, "5xx: that is no limit"),
    ("12_find_where", "labels null"): Difference("query language", 200, "null says no more than nothing"),
    **_each(
        "13_aggregate_select",
        Difference("query language", 400, "aggregate is an older form of select"),
        "aggregate count + avg",
        "aggregate + groupBy cat",
        "aggregate avg with precision",
        "aggregate sum over nested alias",
        "aggregate unknown alias",
        "aggregate orderBy agg",
    ),
    ("14_relationships", "limit 2"): Difference(
        "R21", 200, "which two: the newest ones; a server has no order of relationships"
    ),
    **_each(
        "14_relationships",
        Difference("R21", 404, "one of the records is not there"),
        "attach unknown target",
        "attach unknown source",
        "attach one good, one unknown",
    ),
    ("14_relationships", "MIX"): Difference(
        "R21", 200, "nothing was made of a request that names an unknown id"
    ),
    **_each(
        "14_relationships",
        Difference("R27", 400, "5xx: that is no type"),
        "attach type with space",
        "attach type with backtick",
    ),
    ("14_relationships", "find A via relation type with space"): Difference(
        "R27", 200, "5xx: no relationship has that type"
    ),
    ("14_relationships", "find A via relation where property"): Difference(
        "R30", 200, "a condition on relationships is not passed over"
    ),
    **_each(
        "19_extra",
        Difference("query language", 400, "aggregate is an older form of select"),
        "agg sum alias",
        "agg collect alias",
        "agg sum alias + groupBy",
    ),
    ("19_extra", "write 9 s later"): Difference(
        "R22", 201, "it is sent at once: the transaction is not over"
    ),
    ("19_extra", "record"): Difference("R22", 200, "that transaction was committed"),
    ("19_extra", "select $collect"): Difference("R31", 200, "without an order a server's is any"),
    ("19_extra", "export with where"): Difference("R19", 200, "the ids of those rows were not recorded"),
    ("19_extra", "export with labels L limit 2"): Difference(
        "decision", 200, "an export honours labels and limit"
    ),
    ("19_extra", "unfiltered search: neighbours of another project crowd mine out?"): Difference(
        "R11", 200, "every search is exact, and there is one project"
    ),
    ("19_extra", "unfiltered, limit 1000"): _APPROXIMATE,
    ("23_select_collect", "collect from alias"): Difference("R31", 200, "a list is sorted before it is cut"),
    ("24_hops_cycles", "edge where"): Difference(
        "R30", 200, "a condition on relationships is not passed over"
    ),
    ("24_hops_cycles", "and of two same label"): Difference("R30", 200, "5xx: it is answered"),
    ("24_hops_cycles", "cycle any type any direction"): Difference(
        "R29", 200, "e and f lie on a cycle, as both relationships between them are kept"
    ),
    **_each(
        "17_transactions",
        Difference("R22", 404, "what names a transaction that is over is answered at once"),
        "commit again",
        "use committed tx id",
        "unknown tx commit",
        "unknown tx id used for create",
        "write after error",
        "commit after error",
    ),
    **_each(
        "17_transactions",
        Difference("R22", 400, "5xx: no time that could be granted"),
        "ttl -1",
        "ttl string",
    ),
    ("17_transactions", "search inside #2"): Difference(
        "R11", 200, "a search sees what its transaction wrote"
    ),
    **_each(
        "18_errors_auth",
        Difference("R23", 401, "no token is 401, a wrong one 403"),
        "no token",
        "no token ai/indexes",
    ),
    ("18_errors_auth", "Token header"): Difference(
        "R24", 200, "the header in which RushDB's JavaScript SDK sends the token"
    ),
    ("18_errors_auth", "HEAD"): Difference("R16", 404, "the token is right, and there is no such record"),
    ("18_errors_auth", "__proto__ key"): Difference("R27", 400, "a property is not passed over"),
    ("18_errors_auth", "lone surrogate"): Difference(
        "promise: what goes in comes out", 400, "half a character is no text, and is not replaced by another"
    ),
    ("18_errors_auth", "ai/search-query without LLM"): Difference("scope", 404, "5xx: no such endpoint"),
    ("18_errors_auth", "query/raw on the shared DB"): Difference("scope", 404, "no such endpoint"),
    ("22_extra3", "1e300 inline"): Difference("R9", 422, "no policy could hold that vector"),
    ("22_extra3", "1e300 stored, filtered"): Difference("R9", 200, "5xx: that vector is not there"),
    ("22_extra3", "query 1e300"): Difference("R9", 422, "5xx: that is no float32 vector"),
    ("22_extra3", "query 1e-30"): Difference("R9", 422, "its square is zero in float32"),
    ("22_extra3", "zero vector cosine on H"): Difference("R9", 422, "no policy could hold that vector"),
    ("22_extra3", "filtered search containing it"): Difference("R9", 200, "5xx: that vector is not there"),
    ("22_extra3", "how many ties order"): Difference("R9", 200, "without the records of those vectors"),
}

DIFFERENCES |= {
    ("07_import_vectors", "stats #3"): Difference(
        "R5", 200, "without the rows that were refused: two with a vectors key, one whose $vectors is no list"
    ),
    ("07_import_vectors", "csv vectors bad type"): Difference(
        "R5", 422, "what is no vector is refused where vectors are, with the place it stands at"
    ),
    **_each(
        "15_import_export",
        Difference("R15", 400, "a list of mixed types is refused rather than turned into texts"),
        "no options",
        "suggestTypes true",
    ),
    ("15_import_export", "csv"): Difference("R14", 201, "a datetime in a cell comes back as it was written"),
    ("15_import_export", "csv headers odd"): Difference(
        "decision", 400, "a value in a column that has no name is refused rather than dropped"
    ),
    **_each(
        "15_import_export",
        Difference("decision", 200, "an export honours labels and limit"),
        "export csv",
        "export empty",
        "export limit",
    ),
    ("18_errors_auth", "relationship patterns"): Difference(
        "decision", 404, "it was recorded on an empty project alone: what a pattern looks like is not known"
    ),
}

NEVER_SENT: dict[tuple[str, str], str] = {
    ("18_errors_auth", "empty bearer"): "the client that made the recording refused to send that header",
}
