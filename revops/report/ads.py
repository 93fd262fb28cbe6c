"""`revops ads adjust` as blocks: what is offered, or why nothing is."""

from __future__ import annotations

from collections.abc import Iterator

from revops.domain.ads import AdsDecision, AdsReport
from revops.domain.decision import Outcome
from revops.report.amounts import income
from revops.report.blocks import Block, Line
from revops.report.words import told


def adjusted(value: AdsReport, *, dry_run: bool) -> Iterator[Block]:
    """Given what was decided, say what is offered now, or would be, and each reason on a line."""
    decision = value.decision
    if decision is None:
        yield Line("this node can't lend liquidity: lightningd runs without experimental-dual-fund; nothing was done")
        return
    yield Line(_headline(decision, dry_run=dry_run))
    for reason in told(decision.reasons):
        yield Line(f"  - {reason.sentence}")
    if value.compared_with_records and decision.old is not None and not decision.old.withdrawn:
        yield Line("what was offered last may still stand: the node wasn't asked, since asking it announces it anew")
    if decision.outcome is Outcome.DEFER:
        yield Line('observe mode: nothing is sent; set ads.mode = "act" when you agree with what would be')


def _headline(decision: AdsDecision, *, dry_run: bool) -> str:
    offered = decision.new
    if offered.withdrawn:
        what = "nothing is offered for lease"
    else:
        sizes = f"{income(offered.per_channel_min_msat)} to {income(offered.per_channel_max_msat)} sat"
        what = f"leases of {sizes}, {income(decision.lendable_msat)} sat in all until the next run"
    if decision.outcome is Outcome.SKIP:
        return f"as it was: {what}"
    if decision.outcome is Outcome.DEFER:
        return f"not sent: {what}"
    return f"{'would be sent' if dry_run else 'sent'}: {what}"
