"""The `[[rule]]` sections of the file, judged as strictly as the rest, with every fault said at once.

A rule's settings are the keys of `[fees]` that concern a channel: their types and bounds are those of `[fees]`, so that
nothing is declared twice. What a rule makes of `[fees]` must be a valid `[fees]` again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, Final, get_args

import msgspec

from revops.config_schema import RawValue, keys_of, near_key, sentence_of, value_of
from revops.domain.ids import is_channel_id, is_node_id, is_scid
from revops.domain.policy import NODE_WIDE, FeesConfig, Match, Permission, Rule

SETTABLE: Final = {name: field for name, field in keys_of(FeesConfig).items() if name not in NODE_WIDE}
_LAST_SECOND: Final = time(23, 59, 59)
_OWN: Final = ("name", "match", "final", "until", "rebalance")
#: One [...] of a pattern as fnmatch reads it: a ] that comes first is one of its letters.
_LETTERS: Final = re.compile(r"\[!?+\]?+[^\]]*+\]")


def _is_pattern(text: str) -> bool:
    """Whether fnmatch would read a pattern as it looks: it takes a [ that nothing closes for a letter."""
    return bool(text) and "[" not in _LETTERS.sub("", text)


_FORMS: Final[Mapping[str, tuple[Callable[[str], bool], str]]] = {
    "scid": (is_scid, "is not a short channel id (BLOCKxTXxOUT)"),
    "channel_id": (is_channel_id, "is not a channel_id (64 hex digits)"),
    "peer": (is_node_id, "is not a node id (66 hex digits)"),
    "alias": (_is_pattern, "is not a pattern: empty, or a [ without its ]; [[] stands for a [ itself"),
}


def build_rules(raw: object, fees: FeesConfig | None, home: str, faults: list[str]) -> tuple[Rule, ...]:
    """Given what stands under `rule`, `[fees]` (None: it is wrong itself) and the file's name, return the rules. Add
    what is wrong to `faults`.
    """
    if not isinstance(raw, list) or not all(isinstance(table, dict) for table in raw):
        faults.append(f"{home}: rule: expected sections, each beginning with [[rule]]")
        return ()
    readings = [_Reading(table, number, home, faults) for number, table in enumerate(raw, 1)]
    rules = [reading.rule(fees) for reading in readings]
    names = [reading.name for reading in readings]
    twice = sorted({name for name in names if names.count(name) > 1})
    faults += [f"{home}: rule: two rules are called {name!r}" for name in twice]
    return tuple(rule for rule in rules if rule is not None)


class _Reading:
    """One rule being read."""

    def __init__(self, table: Mapping[str, Any], number: int, home: str, faults: list[str]) -> None:
        self.table = table
        self.home = home
        self.faults = faults
        given = table.get("name")
        self.name = given if isinstance(given, str) and given else f"rule {number}"
        self.path = f"rule[{number}]" + (f' "{given}"' if isinstance(given, str) and given else "")

    def rule(self, fees: FeesConfig | None) -> Rule | None:
        """Return the rule, or None where anything is wrong with it."""
        before = len(self.faults)
        settings = dict(self._settings())
        match = self._match()
        rebalance = self._word("rebalance")
        final = self._flag("final")
        until_at = self._until()
        if "name" in self.table and not isinstance(self.table["name"], str):
            self._fault("name", ": expected a text")
        if len(self.faults) == before and fees is not None:
            self._check_crossed(fees, settings)
        if len(self.faults) > before or match is None:
            return None
        return Rule(
            name=self.name,
            match=match,
            settings=settings,
            rebalance=rebalance,
            final="strategy" in settings if final is None else final,
            until_at=until_at,
        )

    def _fault(self, key: str, message: str) -> None:
        self.faults.append(f"{self.home}: {self.path}.{key}{message}")

    def _settings(self) -> Iterator[tuple[str, Any]]:
        for key, value in self.table.items():
            if key in _OWN:
                continue
            if key not in SETTABLE:
                node_wide = "is the node's, not a channel's; it belongs in [fees]"
                self._fault(key, f": {node_wide if key in NODE_WIDE else near_key(key, (*_OWN, *SETTABLE))}")
                continue
            given = RawValue(value, self.home)
            try:
                yield key, value_of(f"fees.{key}", SETTABLE[key].type, given)
            except ValueError as error:  # msgspec.ValidationError is one
                self._fault(key, sentence_of(error, SETTABLE[key].type, given))

    def _match(self) -> Match | None:
        table = self.table.get("match", {})
        if not isinstance(table, dict):
            self._fault("match", ": expected a table, { key = value, … }")
            return None
        known = keys_of(Match)
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key not in known:
                self._fault(f"match.{key}", f": {near_key(key, tuple(known))}")
                continue
            listed = [value] if isinstance(value, str) and "tuple" in str(known[key].type) else value
            given = RawValue(listed, self.home)
            try:
                values[key] = value_of(f"match.{key}", known[key].type, given)
            except ValueError as error:
                self._fault(f"match.{key}", sentence_of(error, known[key].type, given))
                continue
            self._check_list(key, values[key])
        if values.keys() != table.keys():
            return None
        try:
            return msgspec.convert(values, Match)
        except ValueError as error:  # limits that cross each other
            self._fault(f"match.{error}", "")
            return None

    def _check_list(self, key: str, value: Any) -> None:
        if value == ():
            # Read as no condition at all it would hold for every channel: the opposite of what it says.
            self._fault(f"match.{key}", ": is empty; leave it out where it shall not matter")
        fits, message = _FORMS.get(key, (None, ""))
        if fits is not None:
            for one in value:
                if not fits(one):
                    self._fault(f"match.{key}", f": {one!r} {message}")

    def _word(self, key: str) -> Any:
        value = self.table.get(key)
        if value is not None and value not in get_args(Permission):
            words = " or ".join(f'"{word}"' for word in get_args(Permission))
            self._fault(key, f": expected {words}")
        return value

    def _flag(self, key: str) -> bool | None:
        value = self.table.get(key)
        if value is not None and not isinstance(value, bool):
            self._fault(key, ": expected true or false")
            return None
        return value

    def _until(self) -> float | None:
        """A day ends with its last second; both are UTC unless an offset says otherwise."""
        value = self.table.get("until")
        if value is None:
            return None
        try:
            if isinstance(value, datetime):
                return (value.astimezone(UTC) if value.tzinfo is not None else value.replace(tzinfo=UTC)).timestamp()
            if isinstance(value, date):
                return datetime.combine(value, _LAST_SECOND, UTC).timestamp()
        except OverflowError:  # an offset that leads out of the years that there are
            self._fault("until", f": {value} is out of range")
            return None
        self._fault("until", ": expected a date or time without quotes, 2027-01-31 or 2027-01-31T12:00:00Z")
        return None

    def _check_crossed(self, fees: FeesConfig, settings: Mapping[str, Any]) -> None:
        try:
            msgspec.convert(msgspec.structs.asdict(fees) | dict(settings), FeesConfig)
        except ValueError as error:  # the message starts with the key
            self.faults.append(f"{self.home}: {self.path}.{error}, with [fees] below it")
