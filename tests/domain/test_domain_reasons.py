"""Every reason has a sentence, and whoever gives the reason gives all of the sentence's numbers."""

from __future__ import annotations

import ast
from pathlib import Path
from string import Formatter

import pytest

import revops
from revops.domain.reason import SENTENCES, Reason, ReasonCode, why
from revops.domain.reason_sentences import LATER

SOURCES = sorted(Path(revops.__file__).parent.rglob("*.py"))
#: The climb's three codes are chosen at run time; the properties of `decide_fees` render them.
CHOSEN_AT_RUN_TIME = {ReasonCode.CLIMB_KEEP, ReasonCode.CLIMB_REVERSE, ReasonCode.CLIMB_PROBE}


def fields_of(code: ReasonCode) -> set[str]:
    return {name for _text, name, _spec, _conversion in Formatter().parse(SENTENCES[code]) if name is not None}


def emitted() -> list[tuple[str, ReasonCode, set[str]]]:
    """Every `why(ReasonCode.X, ...)` in the package: where, which code, which numbers."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "why"):
                continue
            code = node.args[0]
            if isinstance(code, ast.Attribute):
                where = f"{path.name}:{node.lineno}"
                found.append((where, ReasonCode[code.attr], {word.arg or "**" for word in node.keywords}))
    return found


EMITTED = emitted()
#: Given by earlier versions, so that they are on record.
RETIRED = {ReasonCode.REFILL, ReasonCode.LAST_HOP_TOO_DEAR, ReasonCode.BALANCED}


@pytest.mark.parametrize("code", ReasonCode)
def test_every_code_has_a_sentence_that_renders(code: ReasonCode) -> None:
    sentence = Reason(code, dict.fromkeys(fields_of(code), 7)).sentence
    assert sentence
    assert "{" not in sentence


def test_there_is_no_sentence_without_a_code() -> None:
    assert set(SENTENCES) == set(ReasonCode)
    assert len(set(SENTENCES.values())) == len(SENTENCES)


@pytest.mark.parametrize(("where", "code", "numbers"), EMITTED, ids=[f"{where}-{code}" for where, code, _ in EMITTED])
def test_whoever_gives_a_reason_gives_its_numbers(where: str, code: ReasonCode, numbers: set[str]) -> None:
    assert numbers == fields_of(code), where


def test_every_code_is_given_somewhere_or_was_once() -> None:
    """Codes are stored: what an earlier version gave must still be read."""
    given = {code for _, code, _ in EMITTED} | CHOSEN_AT_RUN_TIME
    assert not given & RETIRED
    assert given | RETIRED == set(ReasonCode)


def test_figures_side_by_side_have_the_same_digits() -> None:
    numbers: dict[str, float] = dict.fromkeys(fields_of(ReasonCode.DEMAND), 7)
    sentence = Reason(ReasonCode.DEMAND, {**numbers, "elasticity": 0.2, "low": 0.0, "high": 1.256}).sentence
    assert "loses 0.20 % of them (0.00 to 1.26)" in sentence
    slope = dict.fromkeys(fields_of(ReasonCode.CLIMB_SLOPE), 7) | {"slope_percent": 0.0, "error_percent": 2.0}
    assert "by +0.00 % (give or take 2.00 %)" in Reason(ReasonCode.CLIMB_SLOPE, slope).sentence


def test_amounts_to_the_msat_are_told_in_sat() -> None:
    settled = why(ReasonCode.PAYMENT_SETTLED, amount_msat=1_000_000_000, fee_msat=76_001)
    assert settled.sentence == "settled: 1,000,000 sat moved for 76.001 sat"
    kept = {"x_per_open_hour", "rate_msat", "last_rate_msat", "gain_msat", "lost_msat", "base_msat", "wanted_base_msat"}
    for code, sentence in SENTENCES.items():
        plain = {name for _t, name, form, _c in Formatter().parse(sentence) if name and form != "sat"}
        assert {name for name in plain if name.endswith("_msat")} <= kept, code


@pytest.mark.parametrize(("code", "names"), LATER.items())
def test_what_was_stored_before_a_number_was_given_still_reads(code: ReasonCode, names: frozenset[str]) -> None:
    assert names <= fields_of(code)
    given = fields_of(code) - names
    sentence = Reason(code, dict.fromkeys(given, 7)).sentence
    assert sentence.count("?") == len(names)
    for name in given:
        with pytest.raises(KeyError):
            _ = Reason(code, dict.fromkeys(given - {name}, 7)).sentence


def test_a_reason_without_its_numbers_is_a_bug_that_shows() -> None:
    with pytest.raises(KeyError):
        _ = why(ReasonCode.FLOOR).sentence


def test_stored_values_of_codes_do_not_change() -> None:
    assert all(code.value == code.name.lower() for code in ReasonCode)


@pytest.mark.parametrize("code", [ReasonCode.WORTH_GONE, ReasonCode.STAKE_GONE])
def test_of_the_limits_of_now_and_of_the_plan_it_is_said_which_counts(code: ReasonCode) -> None:
    assert (
        "when it was planned, and the lower of both counts" in Reason(code, dict.fromkeys(fields_of(code), 7)).sentence
    )


def test_what_a_refill_makes_of_a_sat_has_other_words_than_what_a_price_does() -> None:
    of_prices = {ReasonCode.DEMAND, ReasonCode.DEMAND_OUTSIDE, ReasonCode.CLIMB_SLOPE, ReasonCode.CLIMB_WORTH}
    found = {code for code, sentence in SENTENCES.items() if "a sat is worth" in sentence}
    assert found == of_prices | {ReasonCode.ZERO_FLOW_WORTH}
