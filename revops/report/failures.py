"""`revops report failures` as blocks: why forwards failed, and at which exits."""

from __future__ import annotations

from collections.abc import Iterator

from revops.domain.failure import FailureReport, Failures, FailureSum
from revops.domain.forward import ForwardStatus
from revops.domain.text import counted
from revops.report.amounts import age, income, percent
from revops.report.blocks import Block, Line, Table
from revops.report.profit import period_words

_WHO = {ForwardStatus.LOCAL_FAILED: "us", ForwardStatus.FAILED: "beyond us"}


def failures(value: FailureReport) -> Iterator[Block]:
    """Given a report, render its kinds, what they mean, and a row for each exit and kind."""
    yield Line(f"{period_words(value.since_at, value.until_at)}; synced {age(value.synced_at, value.taken_at)}")
    total = value.total
    yield Line(
        f"{counted(total.attempt_count, 'payment')} came to an end: {total.settled_count:,} settled, "
        f"{total.refused_count:,} were refused by us, {total.failed_count:,} failed beyond us; "
        f"{income(total.in_msat)} sat were turned away"
    )
    if not total.kinds:
        return
    yield Line("")
    rows = tuple((*_kind_cells(kind, total), _explained(kind)) for kind in total.kinds)
    yield Table("Why", (*_KIND, "what it means (what helps)"), rows)
    lines = [
        (_exit(channel), channel.alias or (channel.peer_id or "")[:12], *_kind_cells(kind, channel))
        for channel in value.channels
        for kind in channel.kinds
    ]
    yield Table("By exit", ("channel", "peer", *_KIND), tuple(lines))
    yield Line("share: of all payments that wanted to leave there and came to an end; a sender may try one many times")


_KIND = ("by", "why", ">code", ">times", ">share", ">sat turned away")


def _kind_cells(kind: FailureSum, of_all: Failures) -> tuple[str, ...]:
    return (
        _WHO[kind.status],
        kind.name,
        f"{kind.failcode}" if kind.failcode else "-",
        f"{kind.failure_count:,}",
        percent(kind.failure_count / of_all.attempt_count),
        income(kind.in_msat),
    )


def _explained(kind: FailureSum) -> str:
    return f"{kind.meaning} ({kind.remedy})" if kind.remedy else kind.meaning


def _exit(channel: Failures) -> str:
    return channel.name or "(no exit was chosen)"
