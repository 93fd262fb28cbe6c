"""A study as tables: learning and steady state apart, family by family, losses beside wins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from revops.report.amounts import cost, income
from revops.report.blocks import Block, Line, Table
from revops.sim.arena.figures import Figures
from revops.sim.arena.headings import heading, same_line, span_title
from revops.sim.arena.null_test import MADE_WORSE_RATIO, NullTest
from revops.sim.arena.outcome import Study
from revops.sim.arena.policies import REBALANCING
from revops.sim.arena.runner import Cycles
from revops.sim.arena.sample import Estimate
from revops.sim.arena.stats import FamilyFigures, SpanFigures


def blocks(study: Study, figures: Figures) -> Iterator[Block]:
    """Given a study and its figures, render them."""
    for text in heading(study):
        yield Line(text)
    for policies in figures.same:
        yield Line(same_line(policies))
    for number, span in enumerate(figures.spans):
        yield Line("")
        yield Line(span_title(span, number, len(figures.spans)))
        yield Line("")
        yield from span_tables(span, figures.subject)
    for test in figures.null_tests:
        yield Line(null_test_line(test))


def span_tables(span: SpanFigures, subject: str) -> Iterator[Table]:
    """Given a span, and the policy that is held against the others, return its tables."""
    yield policy_table(span)
    yield share_table(span)
    if len(span.policies) > 1:
        yield versus_table(span, subject)
        yield family_table(span, subject)


def policy_table(span: SpanFigures) -> Table:
    """Given a span, return a row of each policy, the best first; what rebalances cost where a policy may make some."""
    rebalances = any(one.policy.endswith(REBALANCING) for one in span.policies)
    ranked = sorted(span.policies, key=lambda one: -one.share.value)
    rows = tuple(
        (
            one.policy,
            percent(one.share.value),
            interval(one.share),
            percent(one.family_mean.value),
            interval(one.family_mean),
            "-" if one.worst_share is None else percent(one.worst_share),
            f"{one.updates_per_day:.2f}",
            percent(one.depleted_ratio),
            *((cost(one.rebalance_msat),) if rebalances else ()),
            income(one.net_msat),
        )
        for one in ranked
    )
    headings = (
        "policy", ">share of the oracle", ">95 %", ">mean of families", ">95 %", ">worst 5 % of worlds",
        ">updates per channel and day", ">depleted", *((">rebalances cost sat",) if rebalances else ()), ">net sat",
    )  # fmt: skip
    return Table("Policies", headings, rows)


def share_table(span: SpanFigures) -> Table:
    """Given a span, return each policy's share of the oracle in each family."""
    by_family: dict[str, list[FamilyFigures]] = {}
    for one in span.families:
        by_family.setdefault(one.family, []).append(one)
    rows = tuple(
        (family, income(found[0].oracle_msat), *(percent(one.share.value) for one in found))
        for family, found in by_family.items()
    )
    policies = tuple(f">{one.policy}" for one in span.policies)
    return Table("Share of the oracle by family", ("family", ">oracle sat", *policies), rows)


def versus_table(span: SpanFigures, subject: str) -> Table:
    """Given a span and a policy, return it against each other one."""
    rows = tuple(
        (
            one.other,
            points(one.difference.value),
            interval(one.difference),
            "-" if one.ratio is None else f"{one.ratio.value:.2f}",
            "-" if one.ratio is None else interval(one.ratio, ".2f"),
            told_apart(one.difference),
        )
        for one in span.versus
        if one.policy == subject
    )
    headings = ("against", ">difference of shares, percentage points", ">95 %", ">times as much", ">95 %", "verdict")
    return Table(f"{subject} against each of the others", headings, rows)


def family_table(span: SpanFigures, subject: str) -> Table:
    """Given a span and a policy, return it against the best of the others in each family, its losses first."""
    found = [one for one in span.families if one.policy == subject and one.difference is not None]
    found.sort(key=lambda one: one.difference.value if one.difference else 0.0)
    rows = tuple(_family_row(one) for one in found)
    loss_count = sum(one.is_loss for one in found)
    headings = (
        "family",
        ">its share",
        "best other",
        ">difference, percentage points",
        ">95 %",
        ">makes less by",
        "verdict",
    )
    return Table(f"{subject} family by family: {loss_count} lost of {len(found)}", headings, rows)


def _family_row(one: FamilyFigures) -> tuple[str, ...]:
    difference = one.difference or Estimate(0.0, None, None)
    return (
        one.family,
        percent(one.share.value),
        one.best_other or "-",
        points(difference.value),
        interval(difference),
        _lost(one.lost_ratio),
        told_apart(difference),
    )


def _lost(ratio: float | None) -> str:
    """Where a policy makes nothing, or a loss, how many times what another makes says nothing."""
    if ratio is None or ratio <= 0:
        return "-"
    return percent(ratio) if ratio < 1 else "all of it"


def told_apart(difference: Estimate) -> str:
    """Given a difference, say in a word what it proves."""
    word = "loses" if difference.value < 0 else "wins"
    if difference.value == 0:
        return "is even"
    if difference.low is None:
        return f"{word}; how surely isn't known"
    return word if difference.excludes(0.0) else f"{word}, perhaps by chance"


def null_test_line(test: NullTest) -> str:
    """Given a null test, say what it found."""
    if test.difference.low is None:
        return f"Null test of {test.policy}: it takes more worlds for an interval"
    alike = "are rightly not told apart" if test.sees_nothing else "ARE TOLD APART THOUGH THEY ARE THE SAME"
    worse = "is found" if test.sees_worse else "IS NOT FOUND: more seeds are needed"
    return (
        f"Null test, days {test.first_day:g} to {test.last_day:g}: two copies of {test.policy} {alike} "
        f"({points(test.difference.value)}, 95 % {interval(test.difference)}); one made {MADE_WORSE_RATIO:.0%} worse "
        f"{worse} ({points(test.difference_to_worse.value)}, 95 % {interval(test.difference_to_worse)})"
    )


def profile_table(seconds: Mapping[str, float], elapsed_seconds: float) -> Table:
    """Given seconds of all processes by kind of work, and by the clock, return them, the most first."""
    ranked = sorted(seconds.items(), key=lambda item: -item[1])
    rows = tuple((part, f"{spent:,.1f}") for part, spent in (*ranked, ("by the clock", elapsed_seconds)))
    return Table("Where the time went, all processes together", ("", ">seconds"), rows)


def cycle_table(cycles: Mapping[str, Cycles]) -> Table:
    """Given full cycles by policy, return where the time of one goes, in milliseconds."""
    parts = dict.fromkeys(part for one in cycles.values() for part in one.seconds)
    rows = [(part, *(_per_cycle(one, one.seconds[part]) for one in cycles.values())) for part in parts]
    rows.append(("a cycle", *(_per_cycle(one, sum(one.seconds.values())) for one in cycles.values())))
    rows.append(("cycles", *(f"{one.count:,}" for one in cycles.values())))
    headings = ("", *(f">{policy}" for policy in cycles))
    return Table("Where a full cycle's time went, ms; market and node are simulated", headings, tuple(rows))


def _per_cycle(cycles: Cycles, seconds: float) -> str:
    return f"{1_000 * seconds / max(cycles.count, 1):,.1f}"


def percent(ratio: float) -> str:
    """Given a ratio, return it in per cent."""
    return f"{100 * ratio:.1f} %"


def points(ratio: float) -> str:
    """Given a difference of shares, return it in percentage points."""
    return f"{100 * ratio:+.1f}"


def interval(estimate: Estimate, form: str = "") -> str:
    """Given an estimate, return its interval, in per cent or in another form; "-" where there is none."""
    if estimate.low is None or estimate.high is None:
        return "-"
    if form:
        return f"{estimate.low:{form}} to {estimate.high:{form}}"
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}"
