"""The catalogue keeps Prometheus' naming rules and our own."""

from __future__ import annotations

import re

import pytest

from revops.domain.metric import Definition, Kind, Place
from revops.metrics.catalog import CATALOG, METRICS
from revops.metrics.catalog.define import LABELS


@pytest.mark.parametrize("definition", CATALOG, ids=lambda definition: definition.name)
def test_definition_keeps_the_rules(definition: Definition) -> None:
    assert re.fullmatch(r"revops_[a-z]+(_[a-z]+)+", definition.name)
    assert definition.name.endswith("_total") == (definition.kind is Kind.COUNTER)
    assert definition.help.endswith(".")
    assert definition.help.isascii()
    assert not {"\n", "\\"} & set(definition.help)
    assert definition.labels[0] == "node"
    assert len(set(definition.labels)) == len(definition.labels)
    assert all(re.fullmatch(r"[a-z_]+", label) for label in definition.labels)
    assert "timestamp" not in definition.name or definition.name.endswith("_timestamp_seconds")


def test_names_are_unique_so_that_no_family_has_two_files_or_two_helps() -> None:
    assert len({definition.name for definition in CATALOG}) == len(CATALOG) == len(METRICS)


def test_only_the_info_family_has_an_alias_and_nothing_a_payment_hash() -> None:
    labels = {label for definition in CATALOG for label in definition.labels}
    assert [definition.name for definition in CATALOG if "alias" in definition.labels] == ["revops_channel_info"]
    assert not [label for label in labels if "hash" in label or "secret" in label]


def test_commands_share_families_only_with_their_name_in_a_label() -> None:
    assert all("command" in definition.labels for definition in CATALOG if definition.place is Place.COMMAND)
    assert not [definition.name for definition in CATALOG if definition.lasts and definition.place is Place.NODE]


def test_it_is_said_of_each_label_what_it_holds() -> None:
    assert {label for definition in CATALOG for label in definition.labels} == LABELS.keys()
    assert list(LABELS) == sorted(LABELS)
