"""What a simulated node is made from, and the true books that a test compares the tool's figures with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DAY_SECONDS = 86_400

# Methods that change something on the node. `CallLog.writing_calls` filters by it: a dry run must call none of them.
WRITING_METHODS = frozenset(
    {
        "askrene-age",
        "askrene-create-layer",
        "askrene-disable-node",
        "askrene-inform-channel",
        "askrene-remove-layer",
        "clboss-unmanage",
        "dev-splice",
        "disconnect",
        "delinvoice",
        "funderupdate",
        "invoice",
        "sendpay",
        "setchannel",
        "sling-job",
        "sling-once",
        "sling-stop",
    }
)


@dataclass(frozen=True, slots=True)
class SimConfig:
    """The world's parameters. The same config and the same calls give the same answers, byte for byte.

    `forwards_per_day`: the attempts a day that senders would make at the channels' first fees. `history_days`
    runs the market for that long before `start_at`: the node has a past. `initial_fee_ppm` gives each channel the same
    first fee; None draws one near the market price. Of forwards `stuck_ratio`, of our own payments
    `own_stuck_ratio` hang for long. `sling_version` is the version of the plugin sling, None where it isn't installed;
    `dual_fund` whether others can open channels to us that we fund, too. So many lessors announce rates, about so many
    times lightningd's defaults, and so many lessees a day look for the cheapest. `roles` are kinds of peers by name
    (`build.NAMED_ROLES`), in turn; none: a bit of everything. `coins_sat` is what the wallet may spend, `calm_perkw`
    the feerate that the chain returns to.
    """

    seed: int = 1
    channel_count: int = 20
    start_at: int = 1_795_305_600
    start_blockheight: int = 280_000
    forwards_per_day: float = 600.0
    version: str = "v26.06.6"
    network: str = "signet"
    history_days: float = 0.0
    alias: str = "simulated"
    hub_count: int = 8
    median_payment_sat: int = 15_000
    median_capacity_sat: int = 6_000_000
    roles: tuple[str, ...] = ()
    coins_sat: tuple[int, ...] = (5_000_000, 1_250_000)
    calm_perkw: int = 500
    initial_fee_ppm: int | None = None
    outages_per_day: float = 0.4
    ping_interval_seconds: float = 3_600.0
    stuck_ratio: float = 0.003
    own_stuck_ratio: float = 0.0
    route_failure_ratio: float = 0.03
    sling_version: str | None = None
    dual_fund: bool = False
    lessor_count: int = 0
    lessor_price_ratio: float = 1.0
    leases_per_day: float = 0.0


@dataclass(frozen=True, slots=True)
class ChannelBooks:
    """What one channel really did: forwards out of it and into it, and rebalances into and out of it."""

    channel_id: str
    earned_msat: int = 0
    forwarded_out_msat: int = 0
    forwarded_out_count: int = 0
    forwarded_in_msat: int = 0
    forwarded_in_count: int = 0
    rebalanced_in_msat: int = 0
    rebalanced_out_msat: int = 0


@dataclass(frozen=True, slots=True)
class SimBooks:
    """The truth since the node's beginning. Forwards that autoclean deleted or a restore forgot still count here."""

    fees_earned_msat: int
    forwards_settled_count: int
    forwards_failed_count: int
    forwards_local_failed_count: int
    rebalance_fees_msat: int
    rebalance_count: int
    rebalance_amount_msat: int
    per_channel: dict[str, ChannelBooks] = field(default_factory=dict)


class CallLog(list[tuple[str, Any]]):
    """Each call that reached the node, failed ones too, as (method, params)."""

    def writing_calls(self) -> list[tuple[str, Any]]:
        """Return the calls that change something on the node, oldest first."""
        return [call for call in self if call[0] in WRITING_METHODS and not is_dry(*call)]

    def methods(self) -> list[str]:
        """Return the methods called, oldest first."""
        return [method for method, _ in self]


def is_dry(method: str, params: Any) -> bool:
    """Whether a call only asks what it would do."""
    return method == "dev-splice" and isinstance(params, dict) and params.get("dryrun") is True
