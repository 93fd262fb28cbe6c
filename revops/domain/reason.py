"""Reasons: a code from one enum with the numbers that led to it. The sentence is made here, so that every surface says
the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from revops.domain.reason_code import ReasonCode
from revops.domain.reason_sentences import SENTENCES

__all__ = ["SENTENCES", "Number", "Reason", "ReasonCode", "says", "why"]

Number = int | float | str

#: Numbers that are shown with their sign.
SIGNED: Final = frozenset({"step_percent", "slope_percent"})
#: Numbers that are shown to the hundredth, so that "0.0 to 0.26" isn't read as two kinds of figures.
HUNDREDTHS: Final = frozenset({"per_day", "elasticity", "low", "high", "slope_percent", "error_percent"})


@dataclass(frozen=True, slots=True)
class Reason:
    """A code and the numbers that led to it."""

    code: ReasonCode
    numbers: Mapping[str, Number] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The reason for a person. Numbers that are missing raise KeyError: a reason without its numbers is a bug."""
        return SENTENCES[self.code].format_map({name: _shown(name, number) for name, number in self.numbers.items()})


def _shown(name: str, number: Number) -> str:
    if isinstance(number, str):
        return number
    sign = "+" if name in SIGNED else ""
    return f"{number:{sign},.2f}" if name in HUNDREDTHS else f"{number:{sign},}"


def says(reasons: Iterable[Reason], *codes: ReasonCode) -> bool:
    """Given reasons and codes, return whether one of the reasons has one of the codes."""
    return any(reason.code in codes for reason in reasons)


def why(code: ReasonCode, **numbers: Number) -> Reason:
    """Given a code and its numbers by name, return the reason."""
    return Reason(code, numbers)
