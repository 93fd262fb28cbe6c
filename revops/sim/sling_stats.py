"""What sling-stats answers: a row for each channel that sling has, or had, a job on, and the history of one channel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from revops.sim.slingjobs import Sling, SlingResult
from revops.sim.state import World


def rows(world: World, sling: Sling) -> list[dict[str, Any]]:
    """Return a row for each channel that is live."""
    live = {one.scid: one for one in world.channels.values() if one.is_live and one.scid is not None}
    return [row_of(sling, key, live[key].peer_id) for key in sorted({*sling.jobs, *sling.tasks}) if key in live]


def row_of(sling: Sling, scid: str, peer_id: str) -> dict[str, Any]:
    """Return one channel's row."""
    task = sling.tasks.get(scid)
    done = sling.history.get(scid, [])
    moved = [one for one in done if one.failure is None]
    moved_msat = sum(one.amount_msat for one in moved)
    weighted = sum(one.fee_ppm * one.amount_msat for one in moved)
    return {
        "alias": "ALIAS_NOT_FOUND",
        "last_route_taken": stamp(done),
        "last_success_reb": stamp(moved),
        "pubkey": peer_id,
        "rebamount": f"{moved_msat // 1_000:,}",
        "scid": scid,
        "status": [f"1:{'NotStarted' if task is None else task.state}"],
        "w_feeppm": weighted // moved_msat if moved_msat else 0,
    }


def stamp(done: list[SlingResult]) -> str:
    """Return when the last one was, as sling writes it."""
    return f"{datetime.fromtimestamp(done[-1].ended_at, UTC):%Y-%m-%d %H:%M:%S}" if done else "Never"


def history_json(sling: Sling, scid: str) -> dict[str, Any]:
    """Return what sling has kept of one channel."""
    done = sling.history.get(scid, [])
    good, bad = [one for one in done if one.failure is None], [one for one in done if one.failure is not None]
    return {
        "failures_in_time_window": None if not bad else failures_json(bad),
        "successes_in_time_window": None if not good else successes_json(good),
    }


def partners_json(done: list[SlingResult]) -> list[dict[str, Any]]:
    """Return what each other channel moved, the most first."""
    sums: dict[str, int] = {}
    for one in done:
        sums[one.partner_scid] = sums.get(one.partner_scid, 0) + one.amount_msat // 1_000
    rows = [{"alias": "ALIAS_NOT_FOUND", "sats": sats, "scid": scid} for scid, sats in sums.items()]
    return sorted(rows, key=lambda row: -int(str(row["sats"])))[:5]


def failures_json(bad: list[SlingResult]) -> dict[str, Any]:
    """Return the failures of the window."""
    reasons, nodes = [one.failure for one in bad], [one.failure_node for one in bad]
    by_reason = [{"failure_count": reasons.count(one), "failure_reason": one} for one in sorted({*reasons}, key=str)]
    by_node = [
        {"alias": "ALIAS_NOT_FOUND", "count": nodes.count(one), "peer_id": one} for one in sorted({*nodes}, key=str)
    ]
    return {
        "most_common_hop_count": max(bad, key=lambda one: one.hop_count).hop_count,
        "time_of_last_attempt": stamp(bad),
        "time_window_days": "30",
        "top_5_channel_partners": partners_json(bad),
        "top_5_fail_nodes": by_node[:5],
        "top_5_failure_reasons": by_reason[:5],
        "total_amount_tried_sats": sum(one.amount_msat for one in bad) // 1_000,
        "total_rebalances_tried": len(bad),
    }


def successes_json(good: list[SlingResult]) -> dict[str, Any]:
    """Return the successes of the window."""
    prices = sorted(one.fee_ppm for one in good)
    moved_msat = sum(one.amount_msat for one in good)
    spent_msat = sum(one.amount_msat * one.fee_ppm // 1_000_000 for one in good)
    return {
        "feeppm_90th_percentile": prices[len(prices) * 9 // 10],
        "feeppm_max": prices[-1],
        "feeppm_median": prices[len(prices) // 2],
        "feeppm_min": prices[0],
        "feeppm_weighted_avg": sum(one.fee_ppm * one.amount_msat for one in good) // moved_msat,
        "most_common_hop_count": max(good, key=lambda one: one.hop_count).hop_count,
        "time_of_last_rebalance": stamp(good),
        "time_window_days": "30",
        "top_5_channel_partners": partners_json(good),
        "total_amount_sats": moved_msat // 1_000,
        "total_rebalances": len(good),
        "total_spent_sats": spent_msat // 1_000,
    }
