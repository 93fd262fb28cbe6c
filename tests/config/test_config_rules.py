"""`[[rule]]` in the file: strictly read, every fault with its rule and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import asdict

import revops
from revops.config import ConfigFaults, read
from revops.config_template import Suggestion, effective, render, toml_value
from revops.domain.options import CommonOptions
from revops.domain.policy import NODE_WIDE, Config, FeesConfig
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
    assert rule.until_at == 1_801_439_999


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
        ("match = { peer = [] }", "rule[1].match.peer: is empty; leave it out where it shall not matter"),
        ("match = { flow = [] }", "rule[1].match.flow: is empty"),
        ("match = { alias = 'a[bc' }", "rule[1].match.alias: 'a[bc' is not a pattern: empty, or a [ without its ]"),
        ("match = { alias = ['x', 'a[]'] }", "rule[1].match.alias: 'a[]' is not a pattern"),
        ("match = { alias = ['a[!]'] }", "rule[1].match.alias: 'a[!]' is not a pattern"),
        ("match = { alias = '' }", "rule[1].match.alias: '' is not a pattern"),
        ("match = { alias = 3 }", "rule[1].match.alias: expected a list: [...], found 3"),
        ("match = { private = 'yes' }", "rule[1].match.private: expected true or false, without quotes"),
        ("match = { min_capacity_sat = '3' }", "rule[1].match.min_capacity_sat: expected a whole number"),
        ("match = { max_local_ratio = nan }", "rule[1].match.max_local_ratio: Expected float"),
        ("until = 07:32:00", "rule[1].until: expected a date or time without quotes"),
        ("until = 9999-12-31T23:59:59-12:00", "rule[1].until: 9999-12-31 23:59:59-12:00 is out of range"),
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
        ("dead_band_ratio = 1.0", "rule[1].dead_band_ratio = 1.0 is not below max_step_ratio = 1.0"),
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


def test_faults_of_fees_do_not_hide_those_of_rules(tmp_path: Path) -> None:
    found = faults(tmp_path, "[[rule]]\nmin_pmm = 3", fees="min_ppm = -3")
    assert [fault.partition(":")[0] for fault in found] == ["fees.min_ppm", "rule[1].min_pmm"]


def test_a_name_that_another_rule_goes_by_is_a_fault(tmp_path: Path) -> None:
    found = faults(tmp_path, '[[rule]]\nname = "rule 2"\nmin_ppm = 20\n[[rule]]\nmin_ppm = 30')
    assert found == ["rule: two rules are called 'rule 2'"]


def test_rules_in_the_plural_are_a_near_miss(tmp_path: Path) -> None:
    assert faults(tmp_path, "[[rules]]\nmin_ppm = 20") == ["rules: unknown section; did you mean [[rule]]?"]


@pytest.mark.parametrize("variable", ["REVOPS_RULE_MIN_PPM", "REVOPS_RULES_A_MIN_PPM"])
def test_the_environment_sets_no_rules_and_says_so(tmp_path: Path, variable: str) -> None:
    load(tmp_path, "[[rule]]\nmin_ppm = 20")
    with pytest.raises(ConfigFaults) as caught:
        read(CommonOptions(config_path=tmp_path / "config.toml"), {variable: "1"})
    assert caught.value.faults == (f"{variable}: rules are set in the file only, as [[rule]]",)


def test_rules_are_laid_over_what_the_environment_makes_of_fees(tmp_path: Path) -> None:
    load(tmp_path, "[[rule]]\nmin_ppm = 900")
    options = CommonOptions(config_path=tmp_path / "config.toml")
    with pytest.raises(ConfigFaults, match="min_ppm = 900 is above max_ppm = 500"):
        read(options, {"REVOPS_FEES_MAX_PPM": "500"})
    (rule,) = read(options, {"REVOPS_FEES_MIN_PPM": "950"}).config.rules
    assert rule.settings == {"min_ppm": 900}


@pytest.mark.parametrize("pattern", ["*", "a?c", "[[]x]", "[]]", "[!]a]", "x[a-z]*", "]"])
def test_patterns_that_read_as_they_look_are_taken(tmp_path: Path, pattern: str) -> None:
    (rule,) = load(tmp_path, f"[[rule]]\nmatch = {{ alias = '{pattern}' }}\nmin_ppm = 20").rules
    assert rule.match.alias == (pattern,)


def test_the_example_that_init_writes_loads(tmp_path: Path) -> None:
    lines = render({"node.rpc_path": Suggestion("/x", "It answered.")}, ()).splitlines()
    example = "\n".join(line.removeprefix("#     ") for line in lines if line.startswith("#     "))
    rules = load(tmp_path, example).rules
    assert [(rule.name, rule.final) for rule in rules] == [("drains", False), ("friends", True)]


def test_the_examples_of_the_pages_load(tmp_path: Path) -> None:
    pages = sorted((Path(revops.__file__).parent / "share" / "docs").glob("*.md"))
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    examples = [block.partition("```")[0] for block in text.split("```toml\n")[1:]]
    rules = [rule for example in examples for rule in load(tmp_path, example).rules]
    assert [(rule.name, rule.final) for rule in rules] == [("small", False), ("defaults", False), ("drained", True)]


def test_every_setting_of_a_channel_can_be_set_by_a_rule(tmp_path: Path) -> None:
    """What is added to [fees] later works in rules without a word about it there."""
    defaults = {key: value for key, value in asdict(FeesConfig()).items() if key not in NODE_WIDE}
    text = "\n".join(f"{key} = {toml_value(value)}" for key, value in defaults.items())
    (rule,) = load(tmp_path, f"[[rule]]\n{text}").rules
    assert rule.settings == defaults


def test_a_rule_must_be_a_list_of_tables(tmp_path: Path) -> None:
    assert faults(tmp_path, "[rule]\nmin_ppm = 3") == ["rule: expected sections, each beginning with [[rule]]"]
    (tmp_path / "config.toml").write_text('rule = 0\n[node]\nrpc_path = "/x"\n', encoding="utf-8")
    with pytest.raises(ConfigFaults, match="expected sections, each beginning with"):
        read(CommonOptions(config_path=tmp_path / "config.toml"), {})


def test_what_is_shown_loads_again(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        '[[rule]]\nname = "a"\nmatch = { alias = ["x*"], private = true }\nmin_ppm = 20\n'
        '[[rule]]\nname = "b"\nstrategy = "off"\nuntil = 2027-01-31T12:00:00.5Z\nrebalance = "none"\n'
        '[[rule]]\nname = "c"\nmin_ppm = 30\nuntil = 9999-12-31',
    )
    path = tmp_path / "again.toml"
    path.write_text(effective(config, {}), encoding="utf-8")
    path.chmod(0o600)
    assert read(CommonOptions(config_path=path), {}).config == config
