"""Strict access to the fields of a reply: what is missing or of the wrong kind is an error with the method and field
in it.

Nothing is ever replaced by 0. JSON's `true` is not 1, "5" is not 5, and null in an optional field is the same as its
absence. Values are not quoted in errors: a reply may hold secrets.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from revops.domain.ids import is_channel_id, is_node_id, is_scid
from revops.domain.units import MAX_MSAT, MSAT_PER_SAT, clamp_msat
from revops.node.errors import NodeError, garbage

T = TypeVar("T")

_MAX_INDEX: Final = 2**63 - 1
_MAX_U64: Final = 2**64 - 1
_MAX_SAT: Final = MAX_MSAT // MSAT_PER_SAT
_SCIDD: Final = re.compile(r"([0-9]+x[0-9]+x[0-9]+)/([01])")
#: Lone surrogates can't be written as UTF-8, and PostgreSQL takes no NUL: neither belongs in a text.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object within a reply. `path` says where, for errors."""

    method: str
    values: Mapping[str, object]
    path: str = ""

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def wrong(self, name: str, problem: str) -> NodeError:
        """Given a field and what is wrong with it, return the error to raise."""
        return garbage(self.method, f"field {self.path}{name} {problem}")

    def maybe(self, read: Callable[[str], T], name: str) -> T | None:
        """Given a reader of this object and an optional field, return what it reads, or None where the field is
        absent.
        """
        return read(name) if name in self else None

    def _need(self, name: str) -> object:
        if name not in self.values:
            raise self.wrong(name, "is missing")
        return self.values[name]

    def whole(self, name: str) -> int:
        """Return a whole number from 0 to 2^63-1."""
        return self._whole(name, _MAX_INDEX)

    def signed_sat_as_msat(self, name: str) -> int:
        """Return an amount in sat that may be below 0, in msat: at most the supply of bitcoin, either way."""
        return self._whole(name, _MAX_SAT, -_MAX_SAT) * MSAT_PER_SAT

    def _whole(self, name: str, high: int, low: int = 0) -> int:
        value = self._need(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(name, f"is {_kind(value)}, not a whole number")
        if not low <= value <= high:
            raise self.wrong(name, "is out of range")
        return value

    def msat(self, name: str) -> int:
        """Return an amount in msat, cut to the supply of bitcoin (2^64-1 stands for "no limit")."""
        return clamp_msat(self._whole(name, _MAX_U64))

    def bit(self, name: str) -> int:
        """Return 0 or 1."""
        return self._whole(name, 1)

    def number(self, name: str) -> float:
        """Return a finite number that isn't negative."""
        value = self._need(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.wrong(name, f"is {_kind(value)}, not a number")
        if not 0 <= value <= _MAX_INDEX or not math.isfinite(value):
            raise self.wrong(name, "is out of range")
        return float(value)

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self._need(name)
        if not isinstance(value, bool):
            raise self.wrong(name, f"is {_kind(value)}, not true or false")
        return value

    def text(self, name: str) -> str:
        """Return a text as it came, except what no database can hold. It may come from a stranger: escape it to show
        it.
        """
        value = self._need(name)
        if not isinstance(value, str):
            raise self.wrong(name, f"is {_kind(value)}, not a text")
        return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        """Return a text that is one of `choices`."""
        value = self.text(name)
        if value not in choices:
            raise self.wrong(name, f"is none of {', '.join(choices)}")
        return value

    def node_id(self, name: str) -> str:
        """Return a node's public key."""
        return self._named(name, is_node_id, "a node id")

    def channel_id(self, name: str) -> str:
        """Return a channel_id."""
        return self._named(name, is_channel_id, "a channel_id")

    def hash(self, name: str) -> str:
        """Return 32 bytes of hex: a payment hash, a secret or a txid."""
        return self._named(name, is_channel_id, "32 bytes of hex")

    def scid(self, name: str) -> str:
        """Return a short channel id."""
        return self._named(name, is_scid, "a short channel id")

    def scidd(self, name: str) -> tuple[str, int]:
        """Return a short channel id and a direction from "700000x1x0/1"."""
        match = _SCIDD.fullmatch(self.text(name))
        if match is None or not is_scid(match[1]):
            raise self.wrong(name, "is not a short channel id with a direction")
        return match[1], int(match[2])

    def _named(self, name: str, valid: Callable[[str], bool], what: str) -> str:
        value = self.text(name)
        if not valid(value):
            raise self.wrong(name, f"is not {what}")
        return value

    def child(self, name: str) -> Fields:
        """Return an object within this one."""
        value = self._need(name)
        if not isinstance(value, dict):
            raise self.wrong(name, f"is {_kind(value)}, not an object")
        return Fields(self.method, value, f"{self.path}{name}.")

    def rows(self, name: str) -> Iterator[Fields]:
        """Return the objects of a list."""
        for place, value in enumerate(self._list(name)):
            if not isinstance(value, dict):
                raise self.wrong(f"{name}[{place}]", f"is {_kind(value)}, not an object")
            yield Fields(self.method, value, f"{self.path}{name}[{place}].")

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts of a list."""
        values = self._list(name)
        items = Fields(self.method, {f"{name}[{place}]": value for place, value in enumerate(values)}, self.path)
        return tuple(items.text(item) for item in items.values)

    def _list(self, name: str) -> list[object]:
        value = self._need(name)
        if not isinstance(value, list):
            raise self.wrong(name, f"is {_kind(value)}, not a list")
        return value


def unstorable(text: str) -> bool:
    """Given a text, return whether no database can hold it as it is."""
    return _UNSTORABLE.search(text) is not None


def _kind(value: object) -> str:
    """Given a JSON value, return the word for its kind."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names = {int: "a whole number", float: "a fraction", str: "a text", list: "a list", dict: "an object"}
    return names.get(type(value), "something else")
