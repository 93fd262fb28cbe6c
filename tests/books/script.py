"""What happens when on a made node's chain: the steps of its two years, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from tests.books.chain import Chain
from tests.books.lives import SAT, Life, height_at
from tests.builders import DAY, HOUR

Step = Callable[[], None]


def play(rng: Random, chain: Chain, lives: Sequence[Life], began_at: float, calm_at: float) -> list[Step]:
    """Given the channels, and from when on the chain is calm, draw what happens; return it in order, yet to be done.

    Splices give their channels new names already, since forwards are drawn with them.
    """
    planned: list[tuple[float, Step]] = []
    for number in range(2 * len(lives) + 20):
        planned.append((began_at + number, partial(chain.receive, int(began_at + number), 15_000_000 * SAT)))
    planned += _opens(chain, lives)
    planned += _splices(rng, chain, lives, began_at, calm_at)
    planned += [(life.closed_at, partial(chain.close, life)) for life in lives if life.closed_at is not None]
    at = began_at + 20 * DAY
    while at < calm_at:
        step = partial(chain.consolidate, int(at))
        if rng.random() < 0.6:
            step = partial(chain.send, int(at), rng.randint(10_000, 300_000) * SAT)
        planned.append((at, step))
        at += rng.uniform(5, 15) * DAY
    planned.sort(key=lambda one: one[0])
    return [step for _, step in planned]


def _opens(chain: Chain, lives: Sequence[Life]) -> list[tuple[float, Step]]:
    """Channels of ours that were funded at one moment are of one transaction."""
    batches: dict[int, list[Life]] = {}
    planned: list[tuple[float, Step]] = []
    for life in lives:
        if life.how == "us":
            batches.setdefault(life.funded_at, []).append(life)
        elif life.how == "lease_in":
            planned.append((life.funded_at, partial(chain.open_ours, [life])))
        else:
            planned.append((life.funded_at, partial(chain.open_theirs, life)))
    return planned + [(at, partial(chain.open_ours, some)) for at, some in batches.items()]


def _splices(
    rng: Random, chain: Chain, lives: Sequence[Life], began_at: float, calm_at: float
) -> list[tuple[float, Step]]:
    planned: list[tuple[float, Step]] = []
    whole = list(lives)
    rng.shuffle(whole)
    for number, life in enumerate(whole[: max(2, len(lives) // 4)]):
        first_at, until_at = life.ready_at + 4 * DAY, calm_at if life.closed_at is None else life.closed_at - DAY
        times = rng.choice((1, 2))
        for turn in range(times):
            low, high = (
                first_at + (until_at - first_at) * turn / times,
                first_at + (until_at - first_at) * (turn + 1) / times,
            )
            at = int(rng.uniform(low, high - 3 * HOUR)) if high - low > DAY else 0
            if not at:
                continue
            together, changes_msat = [life], [_change_msat(rng)]
            other = whole[-1 - number]
            if other is not life and _free(other, at) and _untouched(other, whole, len(lives)) and rng.random() < 0.3:
                together, changes_msat = [life, other], [-500_000 * SAT, 500_000 * SAT]
            outside = rng.random() < 0.3
            planned.append((at, partial(chain.splice, together, changes_msat, at, outside=outside)))
            for place, one in enumerate(together):  # the new name holds once the splice is locked in
                height = height_at(at, began_at) + 6
                one.names.append((at + HOUR, f"{height}x{2_000 + one.number}x{place}"))
                one.names.sort()
    return planned


def _change_msat(rng: Random) -> int:
    return rng.choice((1, 1, -1)) * rng.randint(100_000, 1_000_000) * SAT


def _free(life: Life, at: float) -> bool:
    """Whether another may be spliced with it then: it stays for days, and has its scid."""
    return life.lives_through(at - 4 * DAY, at + DAY)


def _untouched(life: Life, order: Sequence[Life], count: int) -> bool:
    """Whether it isn't spliced itself."""
    return life not in order[: max(2, count // 4)] and len(life.names) < 3
