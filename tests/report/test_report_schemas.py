"""JSON schemas of documents: they take what the commands print, and nothing that has a key more or less."""

from __future__ import annotations

import copy
import json
import math
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from revops.domain.health import DoctorReport
from revops.domain.profit import ProfitReport
from revops.domain.record import Report
from revops.report.plain import document
from tests.report.documents import schema, validator, value_of

DOCUMENTS = {
    "report": ("report", Report),
    "report-pnl": ("report pnl", ProfitReport),
    "doctor": ("doctor", DoctorReport),
}
#: A document of few keys.
SMALL = {"doctor"}
#: Objects whose keys are names of numbers, and no interface of ours.
OPEN = {"numbers", "details"}


def made(name: str, *, full: bool) -> Any:
    command, kind = DOCUMENTS[name]
    return json.loads(document(command, value_of(kind, full=full)))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every object in a document but of those that are open."""
    if isinstance(value, dict):
        if not path or path[-1] not in OPEN:
            yield path
            for key, item in value.items():
                yield from places(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, (*path, number))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


@pytest.mark.parametrize("name", DOCUMENTS)
def test_it_is_a_schema_that_says_what_each_key_is(name: str) -> None:
    found = schema(name)
    Draft202012Validator.check_schema(found)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for one in (found, *found["$defs"].values()):
        assert one["additionalProperties"] is False
        assert one["required"] == list(one["properties"])
        for key, about in one["properties"].items():
            assert about["description"], key
            unit = re.search("_(msat|ppm|at|seconds|days|blockheight)$", key)
            if unit is not None and about.get("type") != "array":
                words = {"at": "epoch, s", "seconds": ", s", "blockheight": "blocks", "days": "days"}
                assert words.get(unit[1], unit[1]) in about["description"], key


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_keep_to_it(name: str, full: bool) -> None:
    found = made(name, full=full)
    validator(name).validate(found)
    sections = {key for key, value in found.items() if isinstance(value, list)}
    assert all(bool(found[key]) is full for key in sections)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_key_that_is_missing_or_new_is_an_error(name: str) -> None:
    whole, check = made(name, full=True), validator(name)
    count = 0
    for path in places(whole):
        for key in at(whole, path):
            less = copy.deepcopy(whole)
            del at(less, path)[key]
            assert not check.is_valid(less), (path, key)
            count += 1
        more = copy.deepcopy(whole)
        at(more, path)["another_msat"] = 1
        assert not check.is_valid(more), path
    assert count > (10 if name in SMALL else 80)


@pytest.mark.parametrize(
    ("name", "path", "wrong"),
    [
        ("report", ("window", "earned_msat"), 1.5),
        ("report", ("window", "earned_msat"), "1"),
        ("report", ("window", "earned_msat"), None),
        ("report", ("schema_version",), 2),
        ("report", ("command",), "report pnl"),
        ("report", ("channels", 0, "private"), "no"),
        ("report", ("jobs", 0, "failure"), "bad luck"),
        ("report-pnl", ("total", "net_msat"), True),
        ("report-pnl", ("spans", 0, "line"), []),
        ("report-pnl", ("channels",), {}),
        ("doctor", ("findings", 0, "severity"), "bad"),
        ("doctor", ("exit_code",), None),
    ],
)
def test_a_value_of_another_type_is_an_error(name: str, path: tuple[Any, ...], wrong: Any) -> None:
    found = made(name, full=True)
    at(found, path[:-1])[path[-1]] = wrong
    assert not validator(name).is_valid(found)


def test_a_bet_that_cannot_be_lost_has_no_odds() -> None:
    value = value_of(Report, full=True)
    (job,) = value.jobs
    value = replace(value, jobs=(replace(job, terms=replace(job.terms, odds_ratio=math.inf)),))
    found = json.loads(document("report", value))
    assert found["jobs"][0]["terms"]["odds_ratio"] is None
    validator("report").validate(found)


def test_schemas_are_package_data() -> None:
    """The wheel takes the whole package; nothing may keep them out of it."""
    root = Path(__file__).parents[2]
    wheel = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    assert wheel["wheel"]["packages"] == ["revops"]
    assert "exclude" not in wheel["wheel"]
    assert {path.name for path in (root / "revops/share/schemas").iterdir()} == {
        f"{name}.schema.json" for name in DOCUMENTS
    }
