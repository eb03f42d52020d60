"""What a RushDB server cannot do: tests of the suite that end otherwise there, how, and why.

A test that is named here and passes after all is a failure (``strict``).
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from rushmodel import CapabilityError, VectorError, VectorsNotLoaded


class Difference(NamedTuple):
    """What the test ends with on a RushDB server, and the reason (docs/rules.md)."""

    error: type[BaseException]
    reason: str


VERSIONS = Difference(CapabilityError, "a RushDB server tells no versions, so nothing can be refused by one")
FORGETS = Difference(VectorsNotLoaded, "R6: what is written by id takes unloaded vectors with it")
TEXTLESS = Difference(VectorError, "R4: there is no vector without its text")
ONE_WAY = Difference(CapabilityError, "R29: a server keeps one relationship of a type between two records")
COLLECTS = Difference(CapabilityError, "R31: $collect by label says no relationship")
EDGES = Difference(CapabilityError, "a server passes over what is asked of relationships along the way")
DUPLICATES = Difference(AssertionError, "R18: nothing on a server keeps merge keys unique")

KEEPS = Difference(CapabilityError, "an import takes no vector away, and a push cannot see one that is there")

RUSHDB = {
    "test_what_has_changed_is_sent": KEEPS,
    "test_both_classes_read_and_write": FORGETS,
    "test_updates_deletes_and_documents": FORGETS,
    "test_what_old_classes_have_written_since_is_brought_over": FORGETS,
    "test_cycles": ONE_WAY,
    "test_conditions_on_edges": EDGES,
    "test_related_records_are_collected": COLLECTS,
    "test_what_is_collected_nests": COLLECTS,
    "test_collected_rows_of_another_class": COLLECTS,
    "test_every_twin_does_the_same": VERSIONS,
    "test_the_records_of_an_iteration_can_be_saved": VERSIONS,
    "test_if_unchanged_refuses_what_others_changed": VERSIONS,
    "test_if_unchanged_sees_every_way_to_change[rushdb-client]": FORGETS,
    "test_if_unchanged_sees_every_way_to_change[rushdb-rename]": FORGETS,
    "test_if_unchanged_sees_every_way_to_change": VERSIONS,
    "test_if_unchanged_still_knows_after_a_save_without_it": VERSIONS,
    "test_if_unchanged_on_a_record_that_is_gone": VERSIONS,
    "test_rename_key_keeps_id_vectors_and_everything_else[rushdb-False]": FORGETS,
    "test_rename_key_leaves_unsaved_changes_for_the_save": VERSIONS,
    "test_an_optional_vector_is_set_and_unset[rushdb-False]": FORGETS,
    "test_keep[rushdb-saved-field-None]": TEXTLESS,
    "test_keep[rushdb-saved-save-None]": TEXTLESS,
    "test_keep[rushdb-with-field-None]": TEXTLESS,
    "test_keep[rushdb-with-save-None]": TEXTLESS,
    "test_keep[rushdb-without-field-None]": FORGETS,
    "test_keep[rushdb-without-save-None]": FORGETS,
    "test_keep[rushdb-only-field-None]": FORGETS,
    "test_keep[rushdb-only-save-None]": FORGETS,
    "test_threads_that_rename_to_one_key": DUPLICATES,
    "test_a_key_that_the_store_holds_twice": Difference(pytest.fail.Exception, DUPLICATES.reason),
    "test_a_record_that_is_gone_is_not_made_again": Difference(
        AssertionError,
        "R18: an upsert by key changes the record that has the key by then, before it can tell",
    ),
    "test_properties_by_condition": Difference(
        CapabilityError, "a RushDB server tells the properties of all records, whatever the condition"
    ),
    "test_limits_past_every_store": Difference(
        AssertionError, "R11: exact=False is answered from an index that all projects share"
    ),
}
"""By name, with parameters where only some of them differ."""
