"""The dashboard, the alert rules and the page of the documentation say nothing that the catalogue doesn't."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

import revops
from revops.cli.main import cli
from revops.metrics.catalog import CATALOG
from revops.metrics.catalog.define import LABELS
from tests.metrics.promql import named
from tests.metrics.servers import PROMTOOL

SHARE: Final = Path(revops.__file__).parent / "share"
DASHBOARD: Final = json.loads((SHARE / "grafana" / "revops.json").read_text(encoding="utf-8"))
RULES_FILE: Final = SHARE / "prometheus" / "revops.rules.yml"
RULES: Final[list[dict[str, Any]]] = [
    rule for group in yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]
RULE_TESTS: Final = Path(__file__).parent / "revops.rules.test.yml"
#: What Prometheus adds to every series that it scrapes.
SCRAPED: Final = frozenset({"job", "instance"})
#: What isn't ours: node_exporter's own.
FOREIGN: Final = {"node_textfile_scrape_error": frozenset[str](), "node_textfile_mtime_seconds": frozenset({"file"})}
KNOWN: Final = {one.name: frozenset(one.labels) for one in CATALOG} | FOREIGN
PANELS: Final[list[dict[str, Any]]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


@dataclass(frozen=True)
class Expression:
    """An expression and where it stands."""

    place: str
    text: str


def expressions() -> Iterator[Expression]:
    """All of both files; what Grafana fills in is filled in."""
    for rule in RULES:
        yield Expression(rule["alert"], rule["expr"])
    for panel in PANELS:
        for target in panel["targets"]:
            yield Expression(f"{panel['title']} {target['refId']}", target["expr"].replace("$node", "main"))
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"])
            assert asked is not None
            yield Expression(variable["name"], f"count by ({asked[2]}) ({asked[1]})")


EXPRESSIONS: Final = tuple(expressions())


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=lambda one: one.place)
def test_metrics_and_labels_of_expressions_are_in_the_catalogue(expression: Expression) -> None:
    found = named(expression.text)
    assert found.selectors
    for metric, labels in found.selectors:
        assert metric in KNOWN, metric
        assert labels <= KNOWN[metric] | SCRAPED, metric
    assert found.groups <= LABELS.keys() | SCRAPED
    metrics = [KNOWN[metric] for metric, _ in found.selectors]
    assert all(any(label in one for one in metrics) for label in found.groups - SCRAPED)


def test_the_walker_finds_what_it_should() -> None:
    found = named(
        """sum by (node, le) (rate(a_total{x="b{c}", y=~'d'}[5m] offset 1h)) / on (i) group_left (k) max(b) > bool 5e3
        and c:d{} unless e == Inf"""
    )
    assert found.selectors == [
        ("a_total", frozenset({"x", "y"})), ("b", frozenset()), ("c:d", frozenset()), ("e", frozenset()),
    ]  # fmt: skip
    assert found.groups == {"node", "le", "i", "k"}
    for wrong in ("a ; b", '{x="y"}', 'a{x="y'):
        with pytest.raises((ValueError, StopIteration)):
            named(wrong)


def test_every_family_that_shows_trouble_has_an_alert() -> None:
    watched = {metric for rule in RULES for metric, _ in named(rule["expr"]).selectors}
    assert watched >= {
        "revops_command_last_success_timestamp_seconds", "revops_budget_spent_msat", "revops_spending_suspended",
        "revops_reserve_suspended", "revops_books_difference_msat", "revops_reconcile_differences",
        "revops_channel_htlc_expiry_blocks", "revops_peer_flaps", "revops_command_schema_version_found",
        "node_textfile_scrape_error", "revops_snapshot_timestamp_seconds",
    }  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["for"]
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert len(rule["annotations"]["summary"]) < 120
    commands = re.findall(r"`revops ([^`]+)`", " ".join(rule["annotations"].values()))
    for command in commands:
        words = command.replace("{{ $labels.command }}", "sync").split()
        context, found = None, cli
        for word in words:
            if word.startswith("-") or not hasattr(found, "get_command"):
                break
            context = cli.make_context("revops", [], resilient_parsing=True) if context is None else context
            found = found.get_command(context, word)  # type: ignore[assignment]
            assert found is not None, command


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on PATH")
def test_promtool_takes_the_rules_and_their_tests_pass() -> None:
    assert PROMTOOL is not None
    for words in (["check", "rules", str(RULES_FILE)], ["test", "rules", str(RULE_TESTS)]):
        done = subprocess.run([PROMTOOL, *words], capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    tests = yaml.safe_load(RULE_TESTS.read_text(encoding="utf-8"))["tests"]
    cases = [case for test in tests for case in test.get("alert_rule_test", ())]
    fires = {case["alertname"] for case in cases if case.get("exp_alerts")}
    silent = {case["alertname"] for case in cases if not case.get("exp_alerts")}
    assert fires == silent == {rule["alert"] for rule in RULES}


def boxes(panels: list[dict[str, Any]]) -> Iterator[tuple[str, range, range]]:
    for panel in panels:
        grid = panel["gridPos"]
        yield panel["title"], range(grid["x"], grid["x"] + grid["w"]), range(grid["y"], grid["y"] + grid["h"])


def test_panels_do_not_overlap_and_fill_the_grid() -> None:
    placed = list(boxes(DASHBOARD["panels"]))
    for title, across, down in placed:
        assert len(across) > 0, title
        assert len(down) > 0, title
        assert across.stop <= 24, title
    for one, other in combinations(placed, 2):
        shared = set(one[1]) & set(other[1]) and set(one[2]) & set(other[2])
        assert not shared, (one[0], other[0])
    area = sum(len(across) * len(down) for _, across, down in placed)
    assert area == 24 * max(down.stop for _, _, down in placed)


def test_ids_and_titles_are_unique_and_every_panel_is_legible() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    titles = [panel["title"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert len(set(titles)) == len(titles)
    for panel in PANELS:
        assert panel["type"] in {"stat", "timeseries", "bargauge", "table"}
        assert panel["title"]
        assert len(panel["title"]) <= 40
        assert panel["description"].endswith(".")
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        references = [target["refId"] for target in panel["targets"]]
        assert references == sorted(set(references))
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])


def test_amounts_are_shown_in_sat_and_said_to_be_divided() -> None:
    for panel in PANELS:
        units = [panel["fieldConfig"]["defaults"]["unit"]]
        units += [one["value"] for each in panel["fieldConfig"]["overrides"] for one in each["properties"]]
        assert all(units), panel["title"]
        shows_sat = "suffix: sat" in units
        expressions_ = [target["expr"] for target in panel["targets"]]
        amounts = [text for text in expressions_ if re.search(r"_msat(_total)?\b", text) and "/ 1000" in text]
        assert shows_sat == bool(amounts), panel["title"]
        assert ("divided by 1,000" in panel["description"]) == shows_sat, panel["title"]


def test_the_first_line_answers_whether_it_earns_is_safe_and_is_fresh() -> None:
    first = [panel for panel in PANELS if panel["gridPos"]["y"] == 0]
    assert DASHBOARD["panels"][: len(first)] == first
    names = {metric for panel in first for target in panel["targets"] for metric, _ in named(target["expr"]).selectors}
    assert names >= {
        "revops_node_fees_earned_msat_total", "revops_node_net_msat", "revops_spending_suspended",
        "revops_reserve_suspended", "revops_channel_htlc_expiry_blocks", "revops_snapshot_timestamp_seconds",
        "revops_command_last_success_timestamp_seconds",
    }  # fmt: skip
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Money", "Node", "Channels", "Health"]


def test_source_and_node_are_variables() -> None:
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["node"]["definition"] == "label_values(revops_node_info, node)"
    assert "__inputs" not in DASHBOARD
    for panel in PANELS:
        for target in panel["targets"]:
            ours = [metric for metric, _ in named(target["expr"]).selectors if metric.startswith("revops_")]
            assert not ours or 'node=~"$node"' in target["expr"], panel["title"]
