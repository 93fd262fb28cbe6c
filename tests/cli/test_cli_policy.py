"""`revops policy show`: a row a channel, one channel with its whole trail, and the same as JSON."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

import revops.cycle
from revops.cli.main import main
from revops.decide.rules import resolve
from revops.domain.policy import FeesConfig, Match, Rule
from revops.domain.rules import ChannelFacts, PoliciesReport
from revops.domain.snapshot import FeePin
from tests.builders import NOW, SAT, channel_id, node_id

RULES = (
    Rule(name="small", match=Match(max_capacity_sat=1_000_000), settings={"max_ppm": 77}),
    Rule(name="dear", match=Match(flow=("sink",)), settings={"min_ppm": 900}),
    Rule(name="capped", match=Match(opener="remote"), settings={"max_ppm": 500}, rebalance="target"),
)

PIN = FeePin(ppm=450, set_at=NOW - 3_600, until_at=NOW + 86_400, forced=True)


def facts(number: int, **overrides: Any) -> ChannelFacts:
    given: dict[str, Any] = {
        "channel_id": channel_id(number),
        "name": f"{number}x1x0",
        "names": frozenset({f"{number}x1x0"}),
        "peer_id": node_id(number),
        "alias": "evil\x1b[2J\nname",
        "capacity_msat": 5_000_000 * SAT,
        "local_ratio": 0.25,
        "age_days": None,
        "private": False,
        "opener": "local",
        "uptime_ratio": 0.5,
        "flow": "sink",
    }
    return ChannelFacts(**(given | overrides))


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    found = [facts(1), facts(2, opener="remote"), facts(3, flow="idle", alias=None)]
    policies = [resolve(one, FeesConfig(), RULES, NOW) for one in found]

    def run(_options: object, name: str | None) -> PoliciesReport:
        chosen = [one for one in policies if name in {None, one.facts.name}]
        return PoliciesReport(NOW, NOW - 7_200, tuple(chosen), {channel_id(2): PIN})

    monkeypatch.setattr(revops.cycle, "policy", SimpleNamespace(run=run), raising=False)

    def shown(*arguments: str) -> str:
        assert main(["policy", "show", *arguments]) == 0
        return capsys.readouterr().out

    return shown


def test_all_channels_have_a_row_each_and_crossed_bounds_are_told(show: Any) -> None:
    lines = show().splitlines()
    assert lines[0] == "3 channels; synced 2 h ago"
    rows = {line.split()[0]: line for line in lines if line[:3] in {"1x1", "2x1", "3x1"}}
    assert rows["1x1x0"].split()[-5:] == ["demand", "900", "2,500", "both", "dear"]
    assert rows["2x1x0"].endswith("dear, capped")
    assert rows["2x1x0"].split()[-5:-2] == ["500", "500", "target"]
    assert "  pin: 450 ppm until 2025-06-16 15:06Z, by force  " in rows["2x1x0"]
    assert "pin" not in rows["1x1x0"]
    assert rows["3x1x0"].endswith("none: [fees] as it is")
    assert "evil\\x1b[2J\\x0aname" in rows["1x1x0"]
    assert lines[-1] == "Rules together put a lower bound above its upper one, which holds: 2x1x0 (min_ppm)"
    assert "\x1b" not in "".join(lines)


def test_one_channel_is_told_with_each_rule_and_where_each_setting_comes_from(show: Any) -> None:
    lines = [" ".join(line.split()) for line in show("2x1x0").splitlines()]
    assert "2x1x0: 5,000,000 sat, 25% ours, flow sink, opener remote, public, age not known, uptime 50%" in lines
    assert (
        "pinned by hand at 450 ppm on 2025-06-15 14:06Z, until 2025-06-16 15:06Z, by force: that sets its fee, not "
        "strategy demand; the bounds hold"
    ) in lines
    assert "small no capacity is 5,000,000 sat, above 1,000,000" in lines
    assert "dear applies" in lines
    assert "min_ppm 500 dear, lowered: the upper bound holds" in lines
    assert "max_ppm 500 capped" in lines
    assert "base_msat 0 [fees]" in lines
    assert "chain_floor true [fees]" in lines
    assert "rebalance target capped" in lines
    assert not any(line.startswith(("mode ", "max_updates_per_day ")) for line in lines)


def test_json_has_the_same(show: Any) -> None:
    document = json.loads(show("2x1x0", "--json"))
    (channel,) = document["channels"]
    assert document["synced_at"] == NOW - 7_200
    assert channel["pin"] == {"ppm": 450, "set_at": NOW - 3_600, "until_at": NOW + 86_400, "forced": True}
    (unpinned,) = json.loads(show("1x1x0", "--json"))["channels"]
    assert unpinned["pin"] is None
    assert channel["crossed"] == ["min_ppm"]
    assert channel["settings"]["min_ppm"] == {"value": 500, "origin": "dear"}
    assert channel["settings"]["base_msat"] == {"value": 0, "origin": "fees"}
    assert channel["rules"][0] == {
        "name": "small",
        "applied": False,
        "why_not": "capacity is 5,000,000 sat, above 1,000,000",
    }
