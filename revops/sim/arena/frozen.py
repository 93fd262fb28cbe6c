"""The judged worlds, frozen: whoever changes what is drawn changes what policies are judged in, and can't do it unseen.

`frozen.json` keeps the sha256 of each judged world: of its parameters and of all customers drawn for it. A result is
called judged only where every world is the frozen one. To freeze them anew on purpose (the market has changed; results
from before can't be compared with those from after), run `revops simulate --freeze`, commit the file, say why, and
make the results anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from revops.sim.arena.demand import Customer
from revops.sim.arena.sets import SETS
from revops.sim.arena.setting import Setting
from revops.sim.arena.world import World

PLACE: Final = Path(__file__).with_name("frozen.json")
JUDGED_SET: Final = SETS["judged"]
SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class FrozenSet:
    """Hashes by family and seed, of worlds of so many days."""

    days: float
    worlds: Mapping[str, Mapping[int, str]]

    @property
    def hash(self) -> str:
        """One hash of all."""
        return sha256(_document(self).encode()).hexdigest()

    @property
    def world_count(self) -> int:
        """How many worlds there are."""
        return sum(len(hashes) for hashes in self.worlds.values())

    def holds(self, family: str, seed: int, days: float, found_hash: str) -> bool:
        """Whether a world with such a hash is the frozen one."""
        return days == self.days and self.worlds.get(family, {}).get(seed) == found_hash


def world_hash(world: World) -> str:
    """Given a world, return the sha256 of everything in it that no policy changes.

    Numbers count to six digits: C libraries differ in the last bits of `exp` and `log`, and that changes no world.
    """
    digest = sha256()
    for field in fields(world):
        value = getattr(world, field.name)
        lines = map(_CUSTOMER.__mod__, value) if field.name == "customers" else _words(value)
        digest.update("\n".join((field.name, *lines, "")).encode())
    return digest.hexdigest()


#: All fields of a customer, in their order.
_CUSTOMER: Final = " ".join(["%.6g"] * len(Customer._fields))


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, Setting):
        value = asdict(value)
    if isinstance(value, Mapping):
        for key in sorted(value):
            yield str(key)
            yield from _words(value[key])
    elif isinstance(value, (tuple, list)):
        yield "("
        for item in value:
            yield from _words(item)
        yield ")"
    elif isinstance(value, float):
        yield f"{value:.6g}"
    else:
        yield str(value)


def load(place: Path = PLACE) -> FrozenSet:
    """Return the frozen set as it is stored."""
    document = json.loads(place.read_text(encoding="utf-8"))
    worlds = {
        family: {int(seed): found_hash for seed, found_hash in hashes.items()}
        for family, hashes in document["worlds"].items()
    }
    return FrozenSet(float(document["days"]), worlds)


def store(frozen: FrozenSet, place: Path = PLACE) -> None:
    """Given a frozen set, make it the one that results are held against."""
    place.write_text(_document(frozen) + "\n", encoding="utf-8")


def _document(frozen: FrozenSet) -> str:
    worlds = {
        family: {str(seed): hashes[seed] for seed in sorted(hashes)} for family, hashes in sorted(frozen.worlds.items())
    }
    return json.dumps({"schema_version": SCHEMA_VERSION, "days": frozen.days, "worlds": worlds}, indent=1)
