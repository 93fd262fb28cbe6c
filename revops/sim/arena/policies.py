"""Who sets the fees: the product's strategies through `decide_fees` with all rails, or the baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from revops.decide.fees import decide_fees
from revops.decide.strategies.base import EFFECTIVE_AFTER_SECONDS
from revops.domain.channel import Channel, Htlc, Terms
from revops.domain.decision import FeePlan, Outcome
from revops.domain.node import NodeInfo, Wallet
from revops.domain.policy import FeesConfig
from revops.domain.snapshot import FeeInput, FeeSnapshot, NodeView
from revops.domain.values import replace
from revops.sim.arena.baselines.registry import BASELINES
from revops.sim.arena.demand import SLOT_COUNT
from revops.sim.arena.families import DAY_SECONDS
from revops.sim.arena.market import Market
from revops.sim.arena.records import Records, channel_id, peer_id

START_PPM: Final = 200


class Policy(Protocol):
    """Look at the market and its records, and set fees."""

    def __call__(self, market: Market, records: Records, now: float, /) -> None: ...


class Product:
    """What cron would run: `decide_fees` on what the records say, carried out and written down."""

    def __init__(self, policy: FeesConfig) -> None:
        self.policy = policy
        self._channels: list[Channel] = []
        self._node = NodeInfo("02" + "0" * 64, "arena", "v26.06.6", "bitcoin", 900_000, 0)

    def __call__(self, market: Market, records: Records, now: float) -> None:
        """One run of `fees adjust`."""
        if not self._channels:
            self._channels = [_channel_at_first(number, market) for number in range(len(market.fee_ppm))]
        inputs = tuple(self._input(number, market, records, now) for number in range(len(self._channels)))
        updates_count = sum(one.own_updates_last_day_count for one in inputs)
        view = NodeView(now, self._node, Wallet(()), tuple(one.channel for one in inputs))
        plan = decide_fees(FeeSnapshot(view, inputs, updates_count, market.feerates), self.policy)
        self._carry_out(plan, market, records, now)

    def _input(self, number: int, market: Market, records: Records, now: float) -> FeeInput:
        known = records.channels[number]
        known.updates_at = [at for at in known.updates_at if at > now - DAY_SECONDS]
        return FeeInput(
            channel=self._channel(number, market, now),
            state=known.state,
            earned_msat=known.earned_msat,
            earned_count=known.earned_count,
            last_earned_at=known.last_earned_at,
            last_changed_at=known.last_changed_at,
            score_msat=known.score_msat,
            score_error_msat=known.score_squares**0.5,
            interest_count=known.interest_count,
            settled_interest_count=known.settled_interest_count,
            own_updates_last_day_count=len(known.updates_at),
            signals=replace(records.signals(number), anchor_ppm=market.others_ppm[number], market_read=True),
        )

    def _channel(self, number: int, market: Market, now: float) -> Channel:
        """The channel as it is now: what was seen last, where nothing has moved since."""
        seen, connected, local_msat = self._channels[number], market.connected(number, now), market.local_msat[number]
        spendable_msat, receivable_msat = market.spendable_msat(number), market.receivable_msat(number)
        fee_ppm, htlcs = market.fee_ppm[number], _htlcs(number, market)
        as_seen = (
            seen.connected, seen.local_msat, seen.spendable_msat,
            seen.receivable_msat, seen.local_terms.fee_ppm, seen.htlcs,
        )  # fmt: skip
        if as_seen != (connected, local_msat, spendable_msat, receivable_msat, fee_ppm, htlcs):
            seen = self._channels[number] = replace(
                seen,
                connected=connected,
                local_msat=local_msat,
                spendable_msat=spendable_msat,
                receivable_msat=receivable_msat,
                htlcs=htlcs,
                local_terms=replace(seen.local_terms, fee_ppm=fee_ppm),
            )
        return seen

    def _carry_out(self, plan: FeePlan, market: Market, records: Records, now: float) -> None:
        for number, decision in enumerate(plan.decisions):
            known = records.channels[number]
            known.value_ppm = decision.value_ppm
            first_seen = known.state is None
            known.state = decision.state
            if decision.outcome is Outcome.CHANGE:
                market.set_fee(number, decision.new_ppm, now)
                known.updates_at.append(now)
                known.state, known.last_changed_at = decision.state_if_sent, now
                known.open_window(now + EFFECTIVE_AFTER_SECONDS)
            elif first_seen and known.state is not None:
                known.open_window(known.state.window_start_at)


def _htlcs(number: int, market: Market) -> tuple[Htlc, ...]:
    return tuple(
        Htlc("out" if number == held.out else "in", held.amount_msat, 900_100, f"{held.serial:064x}", "")
        for held in market.held
        if number in (held.out, held.entry)
        for _payment in range(held.slot_count)
    )


def _channel_at_first(number: int, market: Market) -> Channel:
    terms = Terms(0, market.fee_ppm[number], 1_000, market.capacity_msat[number], 34)
    reserve_msat = market.reserve_msat(number)
    return Channel(
        channel_id=channel_id(number),
        peer_id=peer_id(number),
        scid=f"{800_000 + number}x1x0",
        alias_local=None,
        alias_remote=None,
        direction=0,
        state="CHANNELD_NORMAL",
        opener="local",
        private=False,
        connected=True,
        capacity_msat=market.capacity_msat[number],
        local_msat=market.local_msat[number],
        spendable_msat=market.spendable_msat(number),
        receivable_msat=market.receivable_msat(number),
        our_reserve_msat=reserve_msat,
        their_reserve_msat=reserve_msat,
        local_terms=terms,
        remote_terms=None,
        max_accepted_htlcs=SLOT_COUNT,
    )


#: By name, what makes a policy for a node that was never seen.
POLICIES: Final[Mapping[str, Callable[[], Policy]]] = {
    **BASELINES,
    "demand": lambda: Product(FeesConfig(strategy="demand")),
    "hill_climb": lambda: Product(FeesConfig(strategy="hill_climb")),
}
