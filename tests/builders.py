"""Plain values for tests: an ordinary node with ordinary channels, of which a test overrides what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from revops.domain.channel import SPLICING_STATE, Channel, Htlc, SpliceInFlight, Terms, before_and_after
from revops.domain.decision import FeeState
from revops.domain.demand import DemandFigures
from revops.domain.forward import Flow
from revops.domain.node import NodeInfo, Wallet, WalletOutput
from revops.domain.policy import FeesConfig
from revops.domain.signals import Rate, Signals
from revops.domain.snapshot import FeeInput, FeeSnapshot, NodeView, RebalanceSnapshot

#: The moment at which every snapshot is taken unless a test says otherwise.
NOW = 1_750_000_000.0
HOUR = 3_600.0
DAY = 86_400.0
SAT = 1_000


def node_id(number: int) -> str:
    """A public key by number; 0 is our own."""
    return f"02{number:064x}"


def channel_id(number: int) -> str:
    """A channel_id by number."""
    return f"{number:064x}"


OWN_ID = node_id(0)


def make_terms(**overrides: Any) -> Terms:
    """One side's `channel_update`: 0 msat + 100 ppm, 1 sat to 4,000,000 sat."""
    base = Terms(fee_base_msat=0, fee_ppm=100, htlc_min_msat=1_000, htlc_max_msat=4_000_000_000, cltv_delta_blocks=34)
    return replace(base, **overrides)


def make_htlc(**overrides: Any) -> Htlc:
    """A payment of 10,000 sat that leaves us."""
    base = Htlc("out", 10_000_000, 900_100, "ab" * 32, "SENT_ADD_ACK_REVOCATION")
    return replace(base, **overrides)


def make_channel(number: int = 1, **overrides: Any) -> Channel:
    """A connected, public, half-full channel of 5,000,000 sat with its own peer. `fee_ppm=` is short for our fee.

    Spendable and receivable follow `capacity_msat` and `local_msat`, less 1 % of reserve, unless they are given.
    """
    capacity_msat = overrides.pop("capacity_msat", 5_000_000 * SAT)
    local_msat = overrides.pop("local_msat", capacity_msat // 2)
    reserve_msat = capacity_msat // 100
    base = Channel(
        channel_id=channel_id(number),
        peer_id=node_id(number),
        scid=f"{700_000 + number}x1x0",
        alias_local=f"{10_000 + number}x2x0",
        alias_remote=f"{20_000 + number}x3x0",
        direction=0,
        state="CHANNELD_NORMAL",
        opener="local",
        private=False,
        connected=True,
        capacity_msat=capacity_msat,
        local_msat=local_msat,
        spendable_msat=max(local_msat - reserve_msat, 0),
        receivable_msat=max(capacity_msat - local_msat - reserve_msat, 0),
        our_reserve_msat=reserve_msat,
        their_reserve_msat=reserve_msat,
        local_terms=make_terms(fee_ppm=overrides.pop("fee_ppm", 100)),
        remote_terms=make_terms(fee_ppm=50),
        max_accepted_htlcs=483,
    )
    return replace(base, **overrides)


def spliced(channel: Channel, local_sat: int, remote_sat: int = 0, number: int = 1) -> Channel:
    """A channel with a splice in flight, which changes either side's balance by so much; as it is parsed."""
    capacity_msat = channel.capacity_msat + (local_sat + remote_sat) * SAT
    splice = SpliceInFlight(f"{number:02x}" * 32, local_sat * SAT, remote_sat * SAT, capacity_msat)
    state = SPLICING_STATE if channel.live else channel.state
    return before_and_after(replace(channel, state=state, splices=(*channel.splices, splice)))


def make_node(**overrides: Any) -> NodeInfo:
    """Our node on mainnet, in sync."""
    base = NodeInfo(OWN_ID, "ours", "v26.06.6", "bitcoin", 900_000, 0)
    return replace(base, **overrides)


def make_wallet(amount_msat: int = 1_000_000 * SAT) -> Wallet:
    """A wallet with one confirmed, unreserved output."""
    return Wallet((WalletOutput("aa" * 32 + ":0", amount_msat, "confirmed", reserved=False),))


def make_view(*channels: Channel, **overrides: Any) -> NodeView:
    """The node with these channels (none: three ordinary ones) at `NOW`."""
    chosen = channels or tuple(make_channel(number) for number in (1, 2, 3))
    return replace(NodeView(NOW, make_node(), make_wallet(), chosen), **overrides)


def make_state(**overrides: Any) -> FeeState:
    """A fee that has been watched for nine open hours and has earned lately, with a rate to compare with."""
    base = FeeState(
        fee_ppm=100,
        window_start_at=NOW - 9 * HOUR,
        counted_at=NOW,
        open_seconds=9 * HOUR,
        last_rate_msat=1_000.0,
        last_rate_error_msat=0.0,
    )
    return replace(base, **overrides)


def make_climb(**overrides: Any) -> FeesConfig:
    """`[fees]` of `hill_climb` in steps of a quarter: it moves the ordinary channel at once, and by little."""
    return FeesConfig(**{"strategy": "hill_climb", "max_step_ratio": 0.25, **overrides})


def make_demand(**overrides: Any) -> DemandFigures:
    """What `demand` judged an hour ago, at 100 ppm; each figure another number."""
    base = DemandFigures(
        judged_at=NOW - HOUR,
        fee_ppm=100,
        interest_count=1_234.5,
        elasticity=1.204,
        elasticity_low=0.611,
        elasticity_high=2.134,
        best_ppm=140,
        best_low_ppm=90,
        best_high_ppm=1_300,
        dearest_ppm=1_300,
        value_ppm=70.4,
        value_low_ppm=41.3,
        value_high_ppm=112.7,
    )
    return replace(base, **overrides)


def make_fee_input(channel: Channel | None = None, **overrides: Any) -> FeeInput:
    """An ordinary channel, watched for long enough, that has earned 18,000 msat in nine forwards."""
    base = FeeInput(
        channel=make_channel() if channel is None else channel,
        state=make_state(),
        earned_msat=18_000,
        earned_count=9,
        last_earned_at=NOW - HOUR,
        last_changed_at=NOW - 10 * HOUR,
    )
    return replace(base, **overrides)


def make_fee_snapshot(
    *inputs: FeeInput, updates_last_day_count: int = 0, taken_at: float = NOW, **view_overrides: Any
) -> FeeSnapshot:
    """What `fees adjust` sees, with these inputs (none: one ordinary channel)."""
    chosen = inputs or (make_fee_input(),)
    view = make_view(*(one.channel for one in chosen), taken_at=taken_at, **view_overrides)
    return FeeSnapshot(view, chosen, updates_last_day_count)


def make_flow(**overrides: Any) -> Flow:
    """A channel that sold 2,000,000 sat at 500 ppm."""
    base = Flow(out_msat=2_000_000 * SAT, out_count=40, earned_msat=1_000 * SAT, last_settled_at=NOW - HOUR)
    return replace(base, **overrides)


def make_wanted(flows: Mapping[str, Flow], days: float = 14.0) -> dict[str, Signals]:
    """Signals of channels from which in so many days exactly what went out wanted to, by payments of 50,000 sat."""
    return {
        name: Signals(
            demand=Rate(flow.out_msat / days, flow.out_msat / days * 50_000 * SAT),
            inflow=Rate(flow.in_msat / days, flow.in_msat / days * 50_000 * SAT),
        )
        for name, flow in flows.items()
    }


def make_rebalance_snapshot(
    channels: Sequence[Channel] | None = None,
    *,
    flows: Mapping[str, Flow] | None = None,
    in_flight: Sequence[str] = (),
    signals: Mapping[str, Signals] | None = None,
    budget_left_msat: int = 10_000 * SAT,
    taken_at: float = NOW,
) -> RebalanceSnapshot:
    """What `rebalance plan` sees: unless told otherwise, channel 1 is drained and sells well, channel 2 is full."""
    if channels is None:
        channels = (make_channel(1, local_msat=250_000 * SAT), make_channel(2, local_msat=4_750_000 * SAT))
    sold = {channel_id(1): make_flow()} if flows is None else dict(flows)
    return RebalanceSnapshot(
        view=make_view(taken_at=taken_at, channels=tuple(channels)),
        flows=sold,
        in_flight=frozenset(in_flight),
        signals=dict(make_wanted(sold) if signals is None else signals),
        budget_left_msat=budget_left_msat,
    )
