"""Which names labels, properties and fields may have."""

from __future__ import annotations

import re

LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
"""What a label must be to have index policies on a server (rule R2)."""

LONGEST_PROPERTY = 100

MOVED_ID = "rushmodel_id"
"""The property of a record that a push has made on a server: the id that it had where it came from."""
MOVED_TEXTS = "rushmodel_texts"
"""Beside it: which properties are texts although they look like datetimes, where some do (rule R14)."""

MODEL_NAMES = frozenset(
    """
    record_id is_saved vectors
    save asave save_many asave_many get aget get_or_none aget_or_none refresh arefresh
    delete adelete delete_all adelete_all rename_key arename_key clone
    find find_raw afind_raw search asearch search_many asearch_many aggregate
    stale reembed areembed
    """.split()
)
"""The public names of `Model`, those of parts to come included."""

PYDANTIC_NAMES = frozenset(
    """
    copy dict json schema schema_json validate construct parse_obj parse_raw parse_file from_orm
    update_forward_refs
    model_config model_fields model_computed_fields model_extra model_fields_set model_construct model_copy
    model_dump model_dump_json model_json_schema model_parametrized_name model_post_init model_rebuild
    model_validate model_validate_json model_validate_strings
    """.split()
)
"""The public names that `Model` inherits from pydantic."""

RESERVED = MODEL_NAMES | PYDANTIC_NAMES
"""Names a field cannot have: each is an attribute of every model."""


def label_error(label: object) -> str | None:
    """Why ``label`` cannot be one, or None where it can; with index policies it also is a `LABEL`."""
    if isinstance(label, str) and label and not _holds_what_is_no_character(label):
        return None
    return f"a label is a text that is not empty, without NUL and lone surrogates, got {label!r:.60}"


def property_name_error(name: str) -> str | None:
    """Why ``name`` cannot be a property's name, or None where it can (rule R27)."""
    if not name:
        return "a property name cannot be empty"
    if len(name) > LONGEST_PROPERTY:
        return f"a property name has at most {LONGEST_PROPERTY} characters, this one {len(name)}"
    if name.startswith(("$", "__")):
        return "names that begin with '$' or '__' belong to RushDB"
    if _holds_what_is_no_character(name):
        return "a property name holds neither NUL nor lone surrogates"
    return None


def _holds_what_is_no_character(name: str) -> bool:
    return "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name)


class Renamed(str):
    """The name of a property that has another one in stores where the renaming is not over yet.

    It stands where a query names the property, alone or behind an alias as in ``$record.title``; a store is
    sent the one or the other, see `rushmodel.operations.renaming`. ``label`` is None on an abstract class.
    """

    former: str
    label: str | None

    def __new__(cls, name: str, former: str, label: str | None) -> Renamed:
        made = super().__new__(cls, name)
        made.former = former
        made.label = label
        return made

    def __getnewargs__(self) -> tuple[str, str, str | None]:  # type: ignore[override]
        return str(self), self.former, self.label

    def of(self, alias: str) -> Renamed:
        """The same property of the records of an alias."""
        return Renamed(f"{alias}.{self}", f"{alias}.{self.former}", self.label)

    def moved(self, old: str, new: str) -> Renamed:
        """The same property with another alias."""
        return Renamed(new + self[len(old) :], new + self.former[len(old) :], self.label)
