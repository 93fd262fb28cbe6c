"""A node of the arena, watched: what its records would say of its traffic, for tests that know its true parameters."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from revops.domain.decision import PriceWindow
from revops.domain.forward import TYPICAL_PAYMENT_MSAT, ForwardStatus
from revops.domain.node_traffic import Absence, AmountBin, ChannelPast, EntryHour, NodeTraffic, TrafficHour
from revops.domain.traffic import FULL_INTEREST_PERMILLE, FinalForward, Lesson
from revops.sim.arena.families import DAY_SECONDS, Stream, draw_streams
from revops.sim.arena.market import Market
from revops.sim.arena.names import EPOCH_AT
from revops.sim.arena.records import ChannelRecord, Records
from revops.sim.arena.setting import Setting
from revops.sim.arena.world import AFTER_DAYS, World, make_world, run_policy

TINY_MSAT = 1_000_000
FACTORS = (1.0, 0.6, 1.5, 0.8, 2.2)


class KeptChannel(ChannelRecord):
    """Tells on what each forward has taught, at the market's time."""

    def __init__(self, kept: list[tuple[FinalForward, Lesson]]) -> None:
        super().__init__()
        self._kept = kept

    def learn(self, forward: FinalForward, lesson: Lesson) -> None:
        self._kept.append((forward._replace(counted_at=forward.counted_at - EPOCH_AT), lesson))
        super().learn(forward, lesson)


class Kept(Records):
    """Records that forget no forward."""

    def __init__(self, channel_count: int) -> None:
        super().__init__(channel_count)
        self.kept: list[tuple[FinalForward, Lesson]] = []
        self.channels = [KeptChannel(self.kept) for _number in range(channel_count)]


@dataclass
class Prober:
    """Tries one price after the other on each channel, a day each, and counts for how long each was open."""

    base_ppm: tuple[int, ...]

    def __post_init__(self) -> None:
        self.windows: list[list[list[float]]] = [[] for _one in self.base_ppm]
        self._turn = -1
        self.local_msat: list[int] = []

    def __call__(self, market: Market, _records: Records, now: float) -> None:
        turn = int(now // DAY_SECONDS)
        self.local_msat = list(market.local_msat)
        for number, base_ppm in enumerate(self.base_ppm):
            if turn != self._turn:
                ppm = round(base_ppm * FACTORS[(turn + number) % len(FACTORS)])
                market.set_fee(number, ppm, now)
                self.windows[number].append([now, ppm, 0.0])
            if market.connected(number, now) and market.spendable_msat(number) >= TYPICAL_PAYMENT_MSAT:
                self.windows[number][-1][2] += 0.5
        self._turn = turn


def true_streams(family: str, seed: int, days: float, setting: Setting) -> list[Stream]:
    """The streams from which `make_world` draws its customers: its generator's first draw."""
    return draw_streams(family, setting, days + AFTER_DAYS, Random(f"{setting.name} {family} {seed}"))


def watch(family: str, seed: int, days: float, setting: Setting) -> tuple[World, NodeTraffic]:
    """A world, and what the records of a node that lived in it say."""
    world = make_world(family, seed, days, setting)
    prober = Prober(tuple(max(by_bound, 20) for by_bound in world.later_ppm[0]))
    kept: list[Kept] = []

    def make_records(count: int) -> Records:
        kept.append(Kept(count))
        return kept[0]

    run_policy(world, prober, make_records)
    return world, traffic_of(world, prober, kept[0].kept)


def traffic_of(world: World, prober: Prober, kept: list[tuple[FinalForward, Lesson]]) -> NodeTraffic:
    now = world.days * DAY_SECONDS
    sizes = Counter(
        int(2 * math.log2(forward.amount_msat / TINY_MSAT)) for forward, _lesson in kept if is_counted(forward)
    )
    return NodeTraffic(
        taken_at=now,
        since_at=0.0,
        channels=tuple(_past(world, prober, kept, number, now) for number in range(len(world.capacity_msat))),
        amounts=tuple(
            AmountBin(round(TINY_MSAT * 2 ** (place / 2)), round(TINY_MSAT * 2 ** ((place + 1) / 2)), sizes[place])
            for place in sorted(sizes)
        ),
        tiny_count=sum(not is_counted(forward) for forward, _lesson in kept),
        earned_msat=sum(forward.fee_msat or 0 for forward, _lesson in kept if forward.status is ForwardStatus.SETTLED),
    )


def is_counted(forward: FinalForward) -> bool:
    return forward.amount_msat >= TINY_MSAT


def _past(
    world: World, prober: Prober, kept: list[tuple[FinalForward, Lesson]], number: int, now: float
) -> ChannelPast:
    mine = [pair for pair in kept if int(pair[0].out_channel_id or "", 16) == number]
    entered = [pair[0] for pair in kept if int(pair[0].in_channel_id, 16) == number]
    hours: dict[int, TrafficHour] = {}
    for forward, lesson in mine:
        if is_counted(forward):
            hour = int(forward.counted_at // 3_600)
            hours[hour] = hours.get(hour, TrafficHour(hour, 0, 0, 0, 0.0, 0.0)).joined(_one(hour, forward, lesson))
    others = world.others_ppm[number]
    return ChannelPast(
        channel_id=f"{number:064x}",
        name=f"{number}x1x0",
        alias=None,
        capacity_msat=world.capacity_msat[number],
        local_msat=prober.local_msat[number],
        fee_ppm=int(prober.windows[number][-1][1]),
        fee_base_msat=0,
        since_at=0.0,
        hours=tuple(sorted(hours.values())),
        entries=tuple(sorted(_entries(entered))),
        windows=tuple(_windows(prober.windows[number], mine, now)),
        prices=tuple((start_at, int(ppm)) for start_at, ppm, _hours in prober.windows[number]),
        anchor_ppm=None if others is None else others[0],
        absences=tuple(
            Absence(since, min(until, now)) for since, until in world.absences[number] if since < min(until, now)
        ),
    )


def _one(hour: int, forward: FinalForward, lesson: Lesson) -> TrafficHour:
    interest = lesson.interest_permille / FULL_INTEREST_PERMILLE
    if forward.status is ForwardStatus.SETTLED:
        return TrafficHour(hour, 1, 0, 0, interest, 0.0, forward.amount_msat)
    if forward.status is ForwardStatus.FAILED:
        return TrafficHour(hour, 0, 1, 0, 0.0, interest)
    return TrafficHour(hour, 0, 0, 1, 0.0, 0.0)


def _entries(entered: list[FinalForward]) -> Iterable[EntryHour]:
    hours: dict[int, EntryHour] = {}
    for forward in entered:
        hour = int(forward.counted_at // 3_600)
        settled = forward.status is ForwardStatus.SETTLED
        one = EntryHour(hour, settled, not settled, forward.in_msat if settled else 0)
        hours[hour] = hours.get(hour, EntryHour(hour, 0, 0)).joined(one)
    return hours.values()


def _windows(tried: list[list[float]], mine: list[tuple[FinalForward, Lesson]], now: float) -> list[PriceWindow]:
    ends = [start for start, _ppm, _hours in tried[1:]] + [now]
    return [
        PriceWindow(
            end_at, int(ppm), open_hours,
            sum(
                lesson.interest_permille / FULL_INTEREST_PERMILLE
                for forward, lesson in mine
                if start_at <= forward.counted_at < end_at and forward.status is not ForwardStatus.LOCAL_FAILED
            ),
        )
        for (start_at, ppm, open_hours), end_at in zip(tried, ends, strict=True)
    ]  # fmt: skip
