"""Reasons: a code from one enum with the numbers that led to it. The sentence is made here, so that every surface says
the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from revops.domain.reason_code import ReasonCode
from revops.domain.reason_sentences import LATER, SENTENCES
from revops.domain.units import sat_exact

__all__ = ["SENTENCES", "Number", "Reason", "ReasonCode", "says", "why"]

Number = int | float | str

#: Numbers that are shown with their sign.
SIGNED: Final = frozenset({"step_percent", "slope_percent", "return_percent"})
#: Numbers that are shown to the hundredth, so that "0.0 to 0.26" isn't read as two kinds of figures.
HUNDREDTHS: Final = frozenset(
    {"per_day", "elasticity", "low", "high", "slope_percent", "error_percent", "return_percent"}
)


@dataclass(frozen=True, slots=True)
class Reason:
    """A code and the numbers that led to it."""

    code: ReasonCode
    numbers: Mapping[str, Number] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The reason for a person. Numbers that are missing raise KeyError: a reason without its numbers is a bug,
        unless it was stored before they were given.
        """
        shown: dict[str, _Shown | str] = dict.fromkeys(LATER.get(self.code, ()), UNRECORDED)
        shown |= {name: _Shown(name, number) for name, number in self.numbers.items()}
        return SENTENCES[self.code].format_map(shown)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A number as a sentence shows it; `{amount_msat:sat}` shows msat as sat."""

    name: str
    number: Number

    def __format__(self, form: str) -> str:
        if isinstance(self.number, str):
            return self.number
        if form == "sat":
            return sat_exact(int(self.number))
        sign = "+" if self.name in SIGNED else ""
        return f"{self.number:{sign},.2f}" if self.name in HUNDREDTHS else f"{self.number:{sign},}"


class _Unrecorded(str):
    """What stands in place of a number, whatever its form."""

    __slots__ = ()

    def __format__(self, form: str) -> str:
        return str(self)


UNRECORDED: Final = _Unrecorded("?")


def says(reasons: Iterable[Reason], *codes: ReasonCode) -> bool:
    """Given reasons and codes, return whether one of the reasons has one of the codes."""
    return any(reason.code in codes for reason in reasons)


def why(code: ReasonCode, **numbers: Number) -> Reason:
    """Given a code and its numbers by name, return the reason."""
    return Reason(code, numbers)
