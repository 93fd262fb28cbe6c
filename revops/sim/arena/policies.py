"""Who sets the fees: the product's strategies through `decide_fees` with all rails, or the baselines."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Protocol

from revops.cycle.market import ANCHORS_A_RUN
from revops.decide.chain_floor import OLDEST_SECONDS
from revops.decide.fees import decide_fees
from revops.decide.scoring import signals_of
from revops.domain.channel import Channel, Htlc, Terms
from revops.domain.decision import FeePlan, Outcome
from revops.domain.node import Feerates, NodeInfo, Wallet
from revops.domain.policy import FeesConfig
from revops.domain.signals import Signals
from revops.domain.snapshot import FeeInput, FeeSnapshot, NodeView
from revops.domain.traffic import Traffic
from revops.domain.values import replace
from revops.node.parse_node import feerates
from revops.sim.arena import names
from revops.sim.arena.baselines.registry import BASELINES
from revops.sim.arena.demand import SLOT_COUNT
from revops.sim.arena.families import DAY_SECONDS
from revops.sim.arena.market import Market
from revops.sim.arena.records import Records
from revops.sim.ids import direction_of
from revops.sim.rpc_node import feerates_of
from revops.store.anchors import REFRESH_SECONDS

START_PPM: Final = 200
#: A jammer's payments: their hash and expiry are looked at by nobody here.
_NO_HASH: Final = "0" * 64


class Policy(Protocol):
    """Look at the market and its records, and set fees."""

    def __call__(self, market: Market, records: Records, now: float, /) -> None: ...


class Product:
    """What cron would run: `decide_fees` on what the records say, carried out and written down."""

    def __init__(self, policy: FeesConfig) -> None:
        check_judged(policy)
        self.policy = policy
        self._channels: list[Channel] = []
        self._feerates: deque[Feerates] = deque()
        self._gossip = _Gossip()

    def __call__(self, market: Market, records: Records, now: float) -> None:
        """One run of `fees adjust`."""
        plan = decide_fees(self._snapshot(market, records, now), self.policy)
        self._carry_out(plan, market, records, now)

    def _snapshot(self, market: Market, records: Records, now: float) -> FeeSnapshot:
        at = names.instant(now)
        self._gossip.ask(market.others_ppm, at)
        self._sample(market, at)
        self._channels = channels_of(market, now, self._channels)
        traffic = records.traffic()
        inputs = tuple(self._input(number, records, traffic, at) for number in range(len(self._channels)))
        updates_count = sum(one.own_updates_last_day_count for one in inputs)
        node = NodeInfo(names.NODE_ID, "arena", names.VERSION, names.NETWORK, names.blockheight(now), 0)
        view = NodeView(at, node, Wallet(()), tuple(self._channels))
        return FeeSnapshot(view, inputs, updates_count, tuple(self._feerates))

    def _sample(self, market: Market, at: float) -> None:
        self._feerates.append(feerates(feerates_of("perkw", market.feerate_perkw, names.VERSION), at))
        while self._feerates[0].sampled_at < at - OLDEST_SECONDS:
            self._feerates.popleft()

    def _input(self, number: int, records: Records, traffic: Traffic, at: float) -> FeeInput:
        known = records.channels[number]
        known.updates_at = [changed_at for changed_at in known.updates_at if changed_at >= at - DAY_SECONDS]
        signals = signals_of(names.channel_id(number), names.peer_id(number), traffic, at)
        return FeeInput(
            channel=self._channels[number],
            state=known.state,
            earned_msat=known.earned_msat,
            earned_count=known.earned_count,
            last_earned_at=known.last_earned_at,
            last_changed_at=known.last_changed_at,
            score_msat=known.score_msat,
            score_error_msat=known.score_error_msat,
            interest_count=known.interest_count,
            settled_interest_count=known.settled_interest_count,
            signals=self._gossip.told(number, signals, at),
            last_own_changed_at=known.last_changed_at,
            sold_msat=known.sold_msat(at),
            own_updates_last_day_count=len(known.updates_at),
        )

    def _carry_out(self, plan: FeePlan, market: Market, records: Records, now: float) -> None:
        at = names.instant(now)
        for number, decision in enumerate(plan.decisions):
            known = records.channels[number]
            known.value_ppm = decision.value_ppm
            known.state = decision.state
            if decision.outcome is Outcome.CHANGE:
                market.set_fee(number, decision.new_ppm, now)
                known.updates_at.append(at)
                known.state, known.last_changed_at = decision.state_if_sent, at
            if known.state is not None and known.state.window_start_at != known.window_start_at:
                known.open_window(known.state.window_start_at)


class _Gossip:
    """What others charge into each peer, asked for as `fees adjust` does: each peer once a day, a few in one run."""

    def __init__(self) -> None:
        self._asked_at: dict[int, float] = {}
        self._told: dict[int, int | None] = {}

    def ask(self, others_ppm: list[int | None], at: float) -> None:
        """Given what gossip shows now, take it over where it is time to."""
        due = [number for number in range(len(others_ppm)) if at - self._asked_at.get(number, 0.0) >= REFRESH_SECONDS]
        due.sort(key=lambda number: (self._asked_at.get(number, 0.0), number))
        for number in due[:ANCHORS_A_RUN]:
            self._asked_at[number], self._told[number] = at, others_ppm[number]

    def told(self, number: int, signals: Signals, at: float) -> Signals:
        """Given a channel's signals, return them with the market's price in them."""
        if number not in self._asked_at:
            return signals
        age_seconds = at - self._asked_at[number]
        return replace(signals, anchor_ppm=self._told[number], anchor_age_seconds=age_seconds, market_read=True)


def check_judged(policy: FeesConfig) -> None:
    """Raise ValueError where the market lacks what a policy sets: it knows neither base fees nor a largest HTLC."""
    if policy.base_msat or policy.htlc_max != "keep":
        raise ValueError(
            "the market knows neither base fees nor a largest payment: base_msat and htlc_max can't be judged"
        )


def channels_of(market: Market, now: float, before: list[Channel]) -> list[Channel]:
    """Given the market, the moment and the channels at the last look (none: at the first), return them as lightningd
    would list them.
    """
    before = before or [_channel(number, market) for number in range(len(market.fee_ppm))]
    held = _held(market)
    return [_as_now(channel, number, market, held.get(number, ()), now) for number, channel in enumerate(before)]


def _as_now(seen: Channel, number: int, market: Market, htlcs: tuple[Htlc, ...], now: float) -> Channel:
    """The channel as it is now: what was seen last, where nothing has moved since."""
    fee_ppm = market.fee_ppm[number]
    spendable_msat, receivable_msat = market.spendable_msat(number), market.receivable_msat(number)
    found = (market.connected(number, now), market.local_msat[number], spendable_msat, receivable_msat, fee_ppm, htlcs)
    if found == (
        seen.connected, seen.local_msat, seen.spendable_msat, seen.receivable_msat, seen.local_terms.fee_ppm, seen.htlcs
    ):  # fmt: skip
        return seen
    return replace(
        seen,
        connected=found[0],
        local_msat=market.local_msat[number],
        spendable_msat=spendable_msat,
        receivable_msat=receivable_msat,
        htlcs=htlcs,
        local_terms=replace(seen.local_terms, fee_ppm=fee_ppm),
    )


def _held(market: Market) -> dict[int, tuple[Htlc, ...]]:
    htlcs: dict[int, tuple[Htlc, ...]] = {}
    for held in market.held:
        inward = Htlc("in", held.amount_msat + held.fee_msat, 0, _NO_HASH, "RCVD_ADD_ACK_REVOCATION")
        outward = Htlc("out", held.amount_msat, 0, _NO_HASH, "SENT_ADD_ACK_REVOCATION")
        for number, htlc in ((held.entry, inward), (held.out, outward)):
            htlcs[number] = htlcs.get(number, ()) + (htlc,) * held.slot_count
    return htlcs


def _channel(number: int, market: Market) -> Channel:
    capacity_msat, reserve_msat = market.capacity_msat[number], market.reserve_msat(number)
    htlc_max_msat = names.htlc_max_msat(capacity_msat, reserve_msat)
    alias_local, alias_remote = names.aliases(number)
    return Channel(
        channel_id=names.channel_id(number),
        peer_id=names.peer_id(number),
        scid=names.scid(number),
        alias_local=alias_local,
        alias_remote=alias_remote,
        direction=direction_of(names.NODE_ID, names.peer_id(number)),
        state="CHANNELD_NORMAL",
        opener="local",
        private=False,
        connected=True,
        capacity_msat=capacity_msat,
        local_msat=market.local_msat[number],
        spendable_msat=0,
        receivable_msat=0,
        our_reserve_msat=reserve_msat,
        their_reserve_msat=reserve_msat,
        local_terms=Terms(0, market.fee_ppm[number], names.HTLC_MIN_MSAT, htlc_max_msat, names.CLTV_DELTA_BLOCKS),
        remote_terms=Terms(0, names.REMOTE_PPM, names.HTLC_MIN_MSAT, htlc_max_msat, names.CLTV_DELTA_BLOCKS),
        max_accepted_htlcs=SLOT_COUNT,
        opened_at=names.OPENED_AT,
        funding_txids=frozenset((names.channel_id(number),)),
        funding_txid=names.channel_id(number),
    )


#: The product's own strategies by name, as they are configured for a node that was never seen.
STRATEGIES: Final[Mapping[str, FeesConfig]] = {
    "demand": FeesConfig(strategy="demand"),
    "hill_climb": FeesConfig(strategy="hill_climb"),
}
#: What follows the name of a strategy that rebalances too (`rebalancing.py`).
REBALANCING: Final = " (rebalancing)"
#: By name, what makes a policy for a node that was never seen.
POLICIES: Final[Mapping[str, Callable[[], Policy]]] = {
    **BASELINES,
    **{name: partial(Product, policy) for name, policy in STRATEGIES.items()},
}
