"""The families of demand: how the willingness of a channel's customers is spread, and what plagues the channel.

The chance that a customer comes at price p, for a channel with the price level s:

- elasticity e: (p / s)^-e above s, with a greatest willingness, beyond which nobody pays;
- logistic: 1 / (1 + exp(4 (p - m) / m)), with m = 2 s;
- competitor: a step at what another way costs (2 s), which drifts as a random walk;
- shift: logistic, until price level and volume jump, once in the first month and once in the second or third.

In `dead`, `faucet`, `sink`, `spammer`, `jammer` and `flapping` all channels are logistic, but every third has no trade
at all, only lets payments in, only lets them out, is flooded with tiny and with failing payments, has its slots filled
for hours, or a peer that comes and goes. In a `mixture` each channel is of a kind of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from revops.sim.arena.setting import Setting

DAY_SECONDS: Final = 86_400.0
#: Nobody pays more than this, whatever the setting.
MAX_WILLINGNESS_PPM: Final = 2_500.0

SHAPES: Final = (
    "elasticity 0.5", "elasticity 1", "elasticity 2", "elasticity 4", "logistic", "competitor", "shift"
)  # fmt: skip
ODD_KINDS: Final = ("dead", "faucet", "sink", "spammer", "jammer", "flapping")
FAMILIES: Final = (*SHAPES, *ODD_KINDS, "mixture")
#: Of what an odd family's channels every so-manieth is of that kind.
ODD_EVERY: Final = 3

#: Given a moment and the generator, the most that one customer pays, in ppm.
Willingness = Callable[[float, Random], float]
#: Stretches of time, in order: when a peer goes, and when it is back.
Absences = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """What wants to leave by one channel, how often payments enter by it, and what plagues it.

    `others_ppm` is what others charge into the peer, by day; None where gossip doesn't show it. `shifts` are moments
    from which on the volume is multiplied.
    """

    per_day: float
    entry_weight: float
    willingness: Willingness
    others_ppm: tuple[int, ...] | None
    shifts: tuple[tuple[float, float], ...] = ()
    tiny_per_day: float = 0.0
    failing_per_day: float = 0.0
    jams_per_day: float = 0.0
    absences: Absences = ()

    def volume(self, at: float) -> float:
        """By how much the volume is multiplied at a moment."""
        return math.prod(factor for since, factor in self.shifts if at >= since)


def draw_streams(family: str, setting: Setting, days: float, rng: Random) -> list[Stream]:
    """Given a family's name, the market's parameters and how long the world lasts, draw each channel's stream."""
    node_factor = math.exp(rng.gauss(0.0, setting.node_error))
    streams = []
    for number in range(setting.channel_count):
        if family == "mixture":
            kind = rng.choice((*SHAPES, *ODD_KINDS))
        else:
            kind = family if family in SHAPES or number % ODD_EVERY == 0 else "logistic"
        streams.append(_draw_stream(kind, setting, days, node_factor, rng))
    return streams


def _draw_stream(kind: str, setting: Setting, days: float, node_factor: float, rng: Random) -> Stream:
    per_day = setting.customers_per_day * math.exp(rng.gauss(0.0, setting.customers_spread))
    entry_weight = math.exp(rng.gauss(0.0, 0.6))
    level_ppm = setting.low_ppm * (setting.high_ppm / setting.low_ppm) ** rng.random()
    error = node_factor * math.exp(rng.gauss(0.0, setting.channel_error))
    known = rng.random() >= setting.unknown_ratio
    walk = _draw_walk(setting.drift, days, rng)
    jumps = [(rng.uniform(10, 20), *_draw_jump(rng)), (rng.uniform(45, 75), *_draw_jump(rng))]
    absences = draw_absences(setting, days, rng) if kind == "flapping" else ()
    market = [2 * level_ppm * error * (step if kind == "competitor" else 1.0) for step in walk]
    return Stream(
        per_day=0.0 if kind in ("dead", "faucet") else per_day * (2.0 if kind == "sink" else 1.0),
        entry_weight={"dead": 0.0, "sink": 0.0, "faucet": 3.0}.get(kind, 1.0) * entry_weight,
        willingness=_willingness(kind, level_ppm, setting.tail_ratio, walk, jumps),
        others_ppm=tuple(max(round(ppm), 1) for ppm in market) if known else None,
        shifts=tuple((day * DAY_SECONDS, volume) for day, _price, volume in jumps) if kind == "shift" else (),
        tiny_per_day=setting.spam_per_day if kind == "spammer" else 0.0,
        failing_per_day=setting.spam_per_day if kind == "spammer" else 0.0,
        jams_per_day=setting.jams_per_day if kind == "jammer" else 0.0,
        absences=absences,
    )


def _draw_jump(rng: Random) -> tuple[float, float]:
    return rng.choice((1 / 3, 3.0)), rng.choice((0.4, 2.5))


def _willingness(
    kind: str, level_ppm: float, tail_ratio: float, walk: list[float], jumps: list[tuple[float, float, float]]
) -> Willingness:
    if kind.startswith("elasticity"):
        return _pareto(level_ppm, float(kind.split()[1]), tail_ratio)
    if kind == "competitor":
        return _competitor(2 * level_ppm, walk)
    if kind == "shift":
        return _shifting(2 * level_ppm, jumps)
    return _logistic(2 * level_ppm)


def _pareto(level_ppm: float, elasticity: float, tail_ratio: float) -> Willingness:
    def draw(_at: float, rng: Random) -> float:
        willing_ppm = level_ppm * math.pow(1.0 - rng.random(), -1.0 / elasticity)
        return min(willing_ppm, tail_ratio * level_ppm, MAX_WILLINGNESS_PPM)

    return draw


def _logistic(middle_ppm: float) -> Willingness:
    def draw(_at: float, rng: Random) -> float:
        share = min(max(rng.random(), 1e-12), 1 - 1e-12)
        return min(middle_ppm * (1.0 + math.log(share / (1.0 - share)) / 4.0), MAX_WILLINGNESS_PPM)

    return draw


def _shifting(middle_ppm: float, jumps: list[tuple[float, float, float]]) -> Willingness:
    def draw(at: float, rng: Random) -> float:
        factor = math.prod(price for day, price, _volume in jumps if at >= day * DAY_SECONDS)
        return _logistic(min(middle_ppm * factor, MAX_WILLINGNESS_PPM / 2))(at, rng)

    return draw


def _competitor(price_ppm: float, walk: list[float]) -> Willingness:
    def draw(at: float, rng: Random) -> float:
        return min(price_ppm * walk[min(int(at / DAY_SECONDS), len(walk) - 1)], MAX_WILLINGNESS_PPM) * rng.uniform(
            0.97, 1.03
        )

    return draw


def _draw_walk(drift: float, days: float, rng: Random) -> list[float]:
    """A random walk of a price's logarithm, one step a day, within a factor of four."""
    level, walk = 0.0, []
    for _day in range(math.ceil(days) + 1):
        walk.append(math.exp(level))
        level = min(max(level + rng.gauss(0.0, drift), -math.log(4)), math.log(4))
    return walk


def draw_absences(setting: Setting, days: float, rng: Random) -> Absences:
    """Given how long a flapping peer stays and stays away, draw when it is away."""
    at, absences = 0.0, []
    while at < days * DAY_SECONDS:
        down_at = at + rng.expovariate(1 / setting.up_seconds)
        at = down_at + rng.expovariate(1 / setting.down_seconds)
        absences.append((down_at, at))
    return tuple(absences)
