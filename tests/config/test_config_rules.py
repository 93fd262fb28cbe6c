"""`[[rule]]` in the file: strictly read, every fault with its rule and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from revops.config import ConfigFaults, read
from revops.config_template import effective
from revops.domain.options import CommonOptions
from revops.domain.policy import Config
from tests.builders import channel_id, node_id


def load(tmp_path: Path, rules: str, fees: str = "") -> Config:
    path = tmp_path / "config.toml"
    path.write_text(f'[node]\nrpc_path = "/x"\n[fees]\n{fees}\n{rules}', encoding="utf-8")
    path.chmod(0o600)
    return read(CommonOptions(config_path=path), {}).config


def faults(tmp_path: Path, rules: str, fees: str = "") -> list[str]:
    with pytest.raises(ConfigFaults) as caught:
        load(tmp_path, rules, fees)
    return [fault.partition("config.toml: ")[2] for fault in caught.value.faults]


def test_a_rule_is_read_as_it_is_meant(tmp_path: Path) -> None:
    (rule,) = load(
        tmp_path,
        f'[[rule]]\nname = "a"\nmatch = {{ peer = "{node_id(1)}", scid = ["1x2x3"], channel_id = ["{channel_id(2)}"], '
        'flow = ["sink"], private = false, min_capacity_sat = 1_000 }\n'
        'strategy = "static"\nfixed_ppm = 5\nrebalance = "source"\nuntil = 2027-01-31',
    ).rules
    assert (rule.name, rule.final, rule.rebalance) == ("a", True, "source")
    assert rule.settings == {"strategy": "static", "fixed_ppm": 5}
    assert rule.match.peer == (node_id(1),)
    assert rule.match.flow == ("sink",)
    assert rule.until_at == pytest.approx(1_801_439_999.999999)


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ("min_ppm = 20", False),
        ("min_ppm = 20\nfinal = true", True),
        ('strategy = "off"', True),
        ('strategy = "off"\nfinal = false', False),
    ],
)
def test_a_rule_with_a_strategy_is_final_unless_it_says_otherwise(tmp_path: Path, text: str, final: bool) -> None:
    (rule,) = load(tmp_path, f"[[rule]]\n{text}").rules
    assert (rule.name, rule.final) == ("rule 1", final)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('name = "a"\nmin_pmm = 3', 'rule[1] "a".min_pmm: unknown key; did you mean min_ppm?'),
        ("mode = 'act'", "rule[1].mode: is the node's, not a channel's; it belongs in [fees]"),
        (
            "max_updates_per_day = 3",
            "rule[1].max_updates_per_day: is the node's, not a channel's; it belongs in [fees]",
        ),
        ("min_ppm = -1", "rule[1].min_ppm: Expected int >= 0"),
        ("strategy = 'climb'", "rule[1].strategy: Invalid enum value 'climb', expected"),
        ("match = { min_capacity = 3 }", "rule[1].match.min_capacity: unknown key; did you mean min_capacity_sat?"),
        ("match = { scid = ['7'] }", "rule[1].match.scid: '7' is not a short channel id"),
        ("match = { peer = ['ACINQ'] }", "rule[1].match.peer: 'ACINQ' is not a node id"),
        ("match = { channel_id = 'x' }", "rule[1].match.channel_id: 'x' is not a channel_id"),
        ("match = { flow = ['up'] }", "rule[1].match.flow"),
        ("match = 3", "rule[1].match: expected a table"),
        (
            "match = { min_local_ratio = 0.9, max_local_ratio = 0.1 }",
            "rule[1].match.min_local_ratio = 0.9 is above max_local_ratio = 0.1",
        ),
        ("rebalance = 'never'", 'rule[1].rebalance: expected "both" or "source" or "target" or "none"'),
        ("final = 'yes'", "rule[1].final: expected true or false"),
        ("until = '2027-01-31'", "rule[1].until: expected a date or time without quotes"),
        ("name = 3", "rule[1].name: expected a text"),
        ("min_ppm = 9_000", "rule[1].min_ppm = 9000 is above max_ppm = 2500, with [fees] below it"),
        ("dead_band_ratio = 0.5", "rule[1].dead_band_ratio = 0.5 is not below max_step_ratio = 0.25"),
    ],
)
def test_each_fault_names_rule_and_key(tmp_path: Path, text: str, fault: str) -> None:
    (found,) = faults(tmp_path, f"[[rule]]\n{text}")
    assert found.startswith(fault)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = '[[rule]]\nname = "a"\nmin_ppm = -1\n[[rule]]\nname = "a"\nmatch = { opener = "me" }\nfinl = true'
    found = faults(tmp_path, text)
    assert len(found) == 4
    assert any("two rules are called 'a'" in fault for fault in found)


def test_a_rule_must_be_a_list_of_tables(tmp_path: Path) -> None:
    assert faults(tmp_path, "[rule]\nmin_ppm = 3") == ["rule: expected sections, each beginning with [[rule]]"]


def test_what_is_shown_loads_again(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        '[[rule]]\nname = "a"\nmatch = { alias = ["x*"], private = true }\nmin_ppm = 20\n'
        '[[rule]]\nname = "b"\nstrategy = "off"\nuntil = 2027-01-31T12:00:00Z\nrebalance = "none"',
    )
    path = tmp_path / "again.toml"
    path.write_text(effective(config, {}), encoding="utf-8")
    path.chmod(0o600)
    assert read(CommonOptions(config_path=path), {}).config == config
