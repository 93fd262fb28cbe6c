"""`revops report` as blocks: the node, what it earned and cost, its channels, and what was decided and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from revops.domain.decision import Outcome
from revops.domain.period import DAY_SECONDS
from revops.domain.record import ChannelRecord, DecisionRecord, JobRecord, Report, RunRecord, Totals
from revops.domain.text import counted
from revops.report import summaries
from revops.report.amounts import age, cost, income, income_rate, instant, share
from revops.report.blocks import Block, Line, Table
from revops.report.channel_list import standing_words
from revops.report.decision_list import what
from revops.report.demand import demand_table
from revops.report.jobs import fee, named
from revops.report.words import OUTCOMES, by_turns, shortened


def report(value: Report) -> Iterator[Block]:
    """Given a report, render all of it."""
    yield from _node(value)
    yield Line("")
    yield _profit(value)
    if value.books is not None:
        yield Line(summaries.books(value.books))
    yield Line("")
    yield from summaries.budget(value.budget, value.reserves)
    yield Line("")
    yield from _channels(value)
    yield from _explained(value)
    if value.runs:
        rows = tuple(_run_row(run, value.taken_at) for run in value.runs)
        yield Table("Runs", ("command", "started", ">took s", ">exit", "message"), rows)


def brief(value: Report) -> Iterator[Block]:
    """Given a report, render what was earned and spent, and the decisions with their reasons."""
    yield from _node(value)
    yield Line("")
    yield _profit(value)
    yield from _explained(value)


def _explained(value: Report) -> Iterator[Block]:
    for title, decisions in (("Decisions", value.decisions), ("Left alone", value.skips)):
        if decisions:
            headings = ("last", "command", "channel", "what", ">times", "why")
            yield Table(title, headings, tuple(_decision_row(decision) for decision in decisions))
    if any(len(decision.reasons) > 1 for decision in (*value.decisions, *value.skips)):
        yield Line("why: the reason that decided; (+2): there are two more, `revops explain CHANNEL` tells them")
        yield Line("")
    if value.jobs:
        names = {channel.channel_id: channel.name for channel in value.channels}
        rows = tuple(_job_row(job, names) for job in value.jobs)
        yield Table("Rebalances", ("planned", "from", "to", ">amount", ">cost", "state", "why"), rows)


def _node(value: Report) -> Iterator[Block]:
    yield Line(f"{value.alias or '(no alias)'}  {value.node_id[:12]}  {value.network}")
    wallet = "?" if value.synced_at is None else income(value.wallet_spendable_msat)
    yield Line(
        f"lightningd {value.version}, block {value.blockheight:,}, "
        f"{wallet} sat in the wallet; synced {age(value.synced_at, value.taken_at)}"
    )
    turns = by_turns(value.experiment, value.taken_at)
    if turns is not None:
        yield Line(turns)


def _profit(value: Report) -> Table:
    window, ever = value.window, value.lifetime
    rows = (
        ("earned, sat", income(window.earned_msat), income(ever.earned_msat)),
        ("rebalance costs, sat", cost(window.rebalance_fees_msat), cost(ever.rebalance_fees_msat)),
        ("chain costs, sat", cost(window.chain_msat), cost(ever.chain_msat)),
        *_leases(window, ever),
        ("net, sat", income(window.net_msat), income(ever.net_msat)),
        ("forwarded, sat", income(window.forwarded_msat), income(ever.forwarded_msat)),
        ("earned, ppm", *_per_window(window, ever)),
        ("forwards", f"{window.settled_count:,}", f"{ever.settled_count:,}"),
        ("failed later", f"{window.failed_count:,}", f"{ever.failed_count:,}"),
        ("refused by us", f"{window.refused_count:,}", f"{ever.refused_count:,}"),
        ("rebalances", f"{window.rebalance_count:,}", f"{ever.rebalance_count:,}"),
        ("rebalanced, sat", income(window.rebalanced_msat), income(ever.rebalanced_msat)),
    )
    return Table(f"Profit and loss ({_window(value)})", ("", f">{value.window_days} d", ">ever"), rows)


def _window(value: Report) -> str:
    """What the window is: here it ends now, while other pages are of whole UTC days."""
    since_at = value.taken_at - value.window_days * DAY_SECONDS
    return (
        f"{value.window_days} d: the last {24 * value.window_days:,} h, since {instant(since_at)}, not whole UTC days"
    )


def _leases(window: Totals, ever: Totals) -> tuple[tuple[str, str, str], ...]:
    """Most nodes have none."""
    if not ever.lease_earned_msat and not ever.lease_paid_msat:
        return ()
    return (
        ("earned by leases, sat", income(window.lease_earned_msat), income(ever.lease_earned_msat)),
        ("paid for leases, sat", cost(window.lease_paid_msat), cost(ever.lease_paid_msat)),
    )


def _per_window(window: Totals, ever: Totals) -> tuple[str, str]:
    return (
        income_rate(window.earned_msat, window.forwarded_msat),
        income_rate(ever.earned_msat, ever.forwarded_msat),
    )


def _channels(value: Report) -> Iterator[Block]:
    # The record calls the built-in name `open`; a channel that is gone keeps its earnings.
    standing = [channel for channel in value.channels if channel.open]
    gone = [channel for channel in value.channels if not channel.open]
    days = f"{value.window_days} d"
    if standing:
        headings = (
            "channel", "peer", "state", ">capacity", ">local", ">ppm", f">in {days}", f">out {days}",
            f">earned {days}", f">rebalanced {days}", f">rebalance costs {days}", ">net ever",
        )  # fmt: skip
        rows = tuple(_channel_row(channel, value.blockheight) for channel in _best_first(standing))
        yield Table("Channels (sat)", headings, rows)
        turns = by_turns(value.experiment, value.taken_at) is not None
        yield from demand_table(_best_first(standing), value.taken_at, by_turns=turns)
    if gone:
        earned_msat = sum(channel.lifetime.earned_msat for channel in gone)
        spent_msat = sum(channel.lifetime_rebalance_fees_msat for channel in gone)
        chain_msat = sum(channel.lifetime_chain_msat for channel in gone)
        yield Line(
            f"{counted(len(gone), 'closed channel')} earned {income(earned_msat)} sat, "
            f"rebalance costs {cost(spent_msat)}, chain costs {cost(chain_msat)}{_closed_leases(gone)}"
        )
        yield Line("")


def _closed_leases(gone: Sequence[ChannelRecord]) -> str:
    earned_msat = sum(channel.lifetime_lease_earned_msat for channel in gone)
    paid_msat = sum(channel.lifetime_lease_paid_msat for channel in gone)
    if not earned_msat and not paid_msat:
        return ""
    return f"; earned by leases {income(earned_msat)}, paid for leases {cost(paid_msat)}"


def _best_first(channels: Sequence[ChannelRecord]) -> list[ChannelRecord]:
    return sorted(channels, key=lambda channel: (-channel.window.earned_msat, channel.name))


def _channel_row(channel: ChannelRecord, blockheight: int) -> tuple[str, ...]:
    return (
        channel.name,
        channel.alias or (channel.peer_id or "")[:12],
        ", ".join(standing_words(channel, blockheight)),
        income(channel.capacity_msat),
        share(channel.local_msat, channel.capacity_msat),
        "-" if channel.fee_ppm is None else f"{channel.fee_ppm:,}",
        income(channel.window.in_msat),
        income(channel.window.out_msat),
        income(channel.window.earned_msat),
        income(channel.window_rebalanced_in_msat),
        cost(channel.window_rebalance_fees_msat),
        income(channel.lifetime_net_msat),
    )


def _decision_row(decision: DecisionRecord) -> tuple[str, ...]:
    return (
        instant(decision.last_at),
        decision.command,
        decision.name,
        f"{OUTCOMES[Outcome.DEFER]}: {what(decision)}" if decision.outcome == Outcome.DEFER else what(decision),
        f"{decision.repeat_count + 1:,}",
        shortened(decision.outcome, decision.reasons, same_ppm=decision.old_ppm == decision.new_ppm),
    )


def _run_row(run: RunRecord, now: float) -> tuple[str, ...]:
    took = "" if run.finished_at is None else f"{run.finished_at - run.started_at:.1f}"
    code = "killed?" if run.exit_code is None else str(run.exit_code)
    return (run.command, age(run.started_at, now), took, code, run.message or "")


def _job_row(job: JobRecord, names: Mapping[str, str]) -> tuple[str, ...]:
    return (
        instant(job.created_at),
        named(job.source_channel_id, names),
        named(job.target_channel_id, names),
        income(job.amount_msat),
        fee(job),
        job.status.replace("_", " "),
        job.reason.sentence if job.reason is not None else "",
    )
