"""`revops metrics`: the catalogue in each form, and the files that come with it."""

from __future__ import annotations

import csv
import io
import json
from importlib.resources import files

import pytest

from revops.cli.main import main
from revops.metrics.catalog import CATALOG

SHARE = files("revops").joinpath("share")


def test_the_page_of_the_documentation_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    """Else: `revops metrics list --markdown > revops/share/docs/metrics.md`."""
    assert main(["metrics", "list", "--markdown"]) == 0
    out, err = capsys.readouterr()
    assert out == SHARE.joinpath("docs", "metrics.md").read_text(encoding="utf-8")
    assert err == ""
    assert all(out.count(f"| `{one.name}` |") == 1 for one in CATALOG)


def test_every_form_names_every_family_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    names = [one.name for one in CATALOG]
    assert main(["metrics", "list", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["name"] for row in rows] == names
    assert [(row["type"], row["labels"].split(), row["file"], row["help"]) for row in rows] == [
        (one.kind, list(one.labels), one.place, one.help) for one in CATALOG
    ]
    assert main(["metrics", "list", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema_version"], document["command"]) == (1, "metrics list")
    assert [one["name"] for one in document["definitions"]] == names
    assert main(["metrics", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("revops_")] == names


@pytest.mark.parametrize(
    ("name", "path"), [("dashboard", "grafana/revops.json"), ("rules", "prometheus/revops.rules.yml")]
)
def test_a_file_is_printed_as_it_is(capsys: pytest.CaptureFixture[str], name: str, path: str) -> None:
    assert main(["metrics", name]) == 0
    assert capsys.readouterr().out == SHARE.joinpath(*path.split("/")).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments",
    [["list", "--csv", "--json"], ["list", "--csv", "--markdown"], ["rules", "--json"], ["dashboard", "-n"],
     ["list", "--db", "sqlite:////x"]],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(["metrics", *arguments]) == 2
    assert capsys.readouterr().out == ""
