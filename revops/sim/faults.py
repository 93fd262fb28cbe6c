"""Faults that a server shows on purpose: lost connections, garbage, missing fields, endless or late replies, errors.

A plan says which call of which method meets which fault. Calls are counted from 1 for each method; the method "*"
counts every call.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class FaultKind(StrEnum):
    """What goes wrong."""

    DROP_BEFORE = "drop_before"
    """The connection closes; the call isn't executed."""
    REPLY_LOST = "reply_lost"
    """The call is executed; the connection closes without a reply."""
    DROP_MIDWAY = "drop_midway"
    """The call is executed; half of the reply arrives, then the connection closes."""
    GARBAGE = "garbage"
    """The call is executed; the reply isn't JSON."""
    MISSING_FIELD = "missing_field"
    """The member at `path` of the result is missing; numbers in the path index arrays, "*" means each element."""
    ENDLESS = "endless"
    """The call is executed; bytes without a terminator come for `seconds`, then the connection closes."""
    DELAY = "delay"
    """The call is executed `seconds` late, in real time."""
    ERROR = "error"
    """The call isn't executed; the reply is an error with `code`, `message` and, if there is any, `data`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault with what it needs."""

    kind: FaultKind
    path: str = ""
    seconds: float = 0.2
    code: int = -1
    message: str = "simulated failure"
    data: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Calls number `nth` to `nth + times - 1` of a method meet a fault."""

    method: str
    fault: Fault
    nth: int
    times: int


@dataclass(slots=True)
class FaultPlan:
    """The rules and the counts so far. Safe to change while the server runs."""

    rules: list[Rule] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def on(self, method: str, fault: Fault | FaultKind, *, nth: int = 1, times: int = 1) -> FaultPlan:
        """Add a rule and return the plan. `nth` counts calls of the method since the plan's beginning, from 1."""
        with self._lock:
            chosen = fault if isinstance(fault, Fault) else Fault(fault)
            self.rules.append(Rule(method, chosen, nth, times))
        return self

    def take(self, method: str) -> Fault | None:
        """Count a call and return the fault that it meets, if any; the rule added first wins."""
        with self._lock:
            self.counts[method] += 1
            self.counts["*"] += 1
            for rule in self.rules:
                if rule.method in (method, "*") and 0 <= self.counts[rule.method] - rule.nth < rule.times:
                    return rule.fault
        return None


def parse_rule(text: str) -> tuple[str, Fault, int]:
    """Given `METHOD:NTH:KIND[:ARGUMENT]`, return (method, fault, nth). Raise ValueError if it isn't that.

    The argument is a path for missing_field, seconds for delay and endless, a code for error.
    """
    method, nth, kind_name, *rest = text.split(":", 3)
    kind = FaultKind(kind_name)
    if not rest:
        return method, Fault(kind), int(nth)
    argument = rest[0]
    if kind is FaultKind.MISSING_FIELD:
        return method, Fault(kind, path=argument), int(nth)
    if kind is FaultKind.ERROR:
        return method, Fault(kind, code=int(argument)), int(nth)
    return method, Fault(kind, seconds=float(argument)), int(nth)


def without_member(value: object, path: str) -> None:
    """Remove the member at a dotted path from `value`, in place; a path that isn't there changes nothing."""
    step, _, rest = path.partition(".")
    if isinstance(value, list):
        chosen = value if step == "*" else value[int(step) : int(step) + 1]
        for element in chosen:
            without_member(element, rest)
    elif isinstance(value, dict) and step in value:
        if rest:
            without_member(value[step], rest)
        else:
            del value[step]
