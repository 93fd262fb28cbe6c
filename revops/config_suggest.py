"""The first configuration of a node: values derived from what was seen of it, each with its figures. Pure.

The bounds and modes stay as careful as the defaults; what is suggested is money: what may be spent, what must stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from revops.config_template import Suggestion, default_of, render
from revops.domain.channel import Channel
from revops.domain.summary import FirstLook
from revops.domain.text import counted, plain_name, printable
from revops.domain.units import sat_floor

#: The daily limit is a third of the weekly one: two bad days still leave something for the rest of the week.
_DAYS_A_WEEK_OF_BUDGET: Final = 3
#: A force-close with anchors has to be fee-bumped from the wallet. CLN keeps 25,000 sat in all for that
#: (min-emergency-msat, doc/lightningd-config.5.md); several channels can close at once, in a busy mempool.
_ONCHAIN_A_CHANNEL_SAT: Final = 10_000
_OFFCHAIN_RESERVE_SHARE: Final = 20


def suggest(
    seen: FirstLook, *, database_url: str | None = None, metrics_dir: str | None = None
) -> dict[str, Suggestion]:
    """Given a first look, return values for the configuration, each with the figures that led to it.

    `database_url` and `metrics_dir` ("" for none) were named on the command line: the next command must find them.
    """
    live = [channel for channel in seen.view.channels if channel.live]
    return {
        "node.rpc_path": Suggestion(seen.rpc_path, f"It answered as {seen.view.node.alias or seen.view.node.node_id}."),
        "node.name": Suggestion(
            plain_name(seen.view.node.alias, seen.view.node.node_id),
            "From its alias; it names the files for node_exporter.",
        ),
        "fees.mode": Suggestion(
            "observe",
            "Cron's runs record what they would do: look at `revops report` for some days before you say act. A dry "
            "run records nothing, so that nothing is learnt from it.",
        ),
        "rebalance.mode": Suggestion(
            "observe",
            "`revops rebalance plan` records what it would move: look at it for some days before you say act.",
        ),
        **_database(database_url),
        **_metrics(seen, metrics_dir),
        **_fee_bounds(live),
        **_budget(seen),
        **_reserve(seen, live),
    }


def _database(url: str | None) -> dict[str, Suggestion]:
    return {} if url is None else {"database.url": Suggestion(url, "Named by --db.")}


def _metrics(seen: FirstLook, named: str | None) -> dict[str, Suggestion]:
    if named is not None:
        return {"metrics.textfile_dir": Suggestion(named, "Named by --metrics-dir.")}
    if seen.textfile_dir is None:
        return {}
    writable = "It exists." if seen.textfile_dir_writable else "It exists, but this user may not write to it yet."
    return {"metrics.textfile_dir": Suggestion(seen.textfile_dir, writable, active=seen.textfile_dir_writable)}


def _fee_bounds(live: list[Channel]) -> dict[str, Suggestion]:
    """The bounds stay at their defaults; what the node charges now is said beside them."""
    if not live:
        return {}
    rates = sorted(channel.local_terms.fee_ppm for channel in live)
    low: int = default_of("fees.min_ppm")
    high: int = default_of("fees.max_ppm")
    below, above = sum(rate < low for rate in rates), sum(rate > high for rate in rates)
    base: int = default_of("fees.base_msat")
    others = sum(channel.local_terms.fee_base_msat != base for channel in live)
    now = f"{len(rates)} channels charge {rates[0]:,} to {rates[-1]:,} ppm now, the median {rates[len(rates) // 2]:,};"
    return {
        "fees.base_msat": Suggestion(base, f"{others} of {len(live)} channels have another now; mode act changes it."),
        "fees.min_ppm": Suggestion(low, f"{now} {below} of them less than this, which mode act would raise."),
        "fees.max_ppm": Suggestion(high, f"{now} {above} of them more than this, which mode act would lower."),
    }


def _budget(seen: FirstLook) -> dict[str, Suggestion]:
    share: float = default_of("budget.revenue_share_ratio")
    earned_sat = sat_floor(seen.earned_msat)
    weekly_sat = int(earned_sat * share)
    daily_sat = weekly_sat // _DAYS_A_WEEK_OF_BUDGET
    least = "" if seen.complete else "at least "
    said = (
        f"{counted(seen.forward_count, 'forward')} earned {least}{earned_sat:,} sat in the last {seen.window_days} days"
    )
    return {
        # Proposed, not set: money is spent when the operator has named the figure, not when a mode was flipped.
        "budget.weekly_sat": Suggestion(weekly_sat, f"{said}; this would be {share:.0%} of that.", active=False),
        "budget.daily_sat": Suggestion(daily_sat, "This would be a third of that weekly_sat.", active=False),
    }


def _reserve(seen: FirstLook, live: list[Channel]) -> dict[str, Suggestion]:
    wallet_sat = sat_floor(seen.view.wallet.spendable_msat)
    onchain_sat = max(int(default_of("reserve.onchain_sat")), _ONCHAIN_A_CHANNEL_SAT * len(live))
    short = "" if wallet_sat >= onchain_sat else " That is less: nothing is written to the node until it has more."
    spendable_sat = sat_floor(seen.view.spendable_msat)
    return {
        "reserve.onchain_sat": Suggestion(
            onchain_sat,
            f"{_ONCHAIN_A_CHANNEL_SAT:,} sat for each of {len(live)} channels, to bump the fee of a force-close. "
            f"The wallet holds {wallet_sat:,} sat now.{short}",
        ),
        "reserve.offchain_sat": Suggestion(
            spendable_sat // _OFFCHAIN_RESERVE_SHARE, f"A twentieth of the {spendable_sat:,} sat that can be sent now."
        ),
    }


def document(seen: FirstLook, suggestions: Mapping[str, Suggestion]) -> str:
    """Given a first look and suggestions, return the text of the configuration file."""
    node = seen.view.node
    heading = (
        "Configuration of revops, written by `revops init`.",
        f"Node: {printable(node.alias)} {node.node_id}, lightningd {node.version}, {node.network}.",
        "",
        "Every key is here. A line that begins with # shows the default; remove the # to change it.",
        "Check it with `revops config check`, see what is in force with `revops config show`.",
        "A variable REVOPS_<SECTION>_<KEY> overrides a key, a flag overrides both.",
        "",
        'Nothing is changed on the node before you set a mode to "act".',
    )
    return render(suggestions, heading)
