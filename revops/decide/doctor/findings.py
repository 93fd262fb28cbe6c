"""How findings are made, ordered and summed up in one exit code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from revops.domain.health import Fault, Finding, Severity

#: Exit codes of `revops/errors.py`, which a decision doesn't import; a test holds them together.
WARNED: Final = 1
DATA: Final = 65
UNAVAILABLE: Final = 69
BUG: Final = 70
OUTPUT: Final = 73
DISK: Final = 74
TEMPORARY: Final = 75
FORBIDDEN: Final = 77
CONFIG: Final = 78

#: Of several errors the first of these is told: what nobody else will mend before what passes by itself.
_WORST_FIRST: Final = (BUG, DATA, CONFIG, FORBIDDEN, DISK, OUTPUT, UNAVAILABLE, TEMPORARY)
_ORDER: Final[Mapping[Severity, int]] = MappingProxyType({severity: place for place, severity in enumerate(Severity)})


def ok(check: str, sentence: str) -> Finding:
    """Given a check and what it saw, return that all is well."""
    return Finding(check, Severity.OK, sentence)


def note(check: str, sentence: str, remedy: str = "") -> Finding:
    """Given what is worth knowing and no fault, return it."""
    return Finding(check, Severity.NOTE, sentence, remedy)


def warning(check: str, sentence: str, remedy: str) -> Finding:
    """Given what should be mended although the commands work, return it."""
    return Finding(check, Severity.WARNING, sentence, remedy)


def error(check: str, sentence: str, remedy: str, exit_code: int) -> Finding:
    """Given what some command fails for, and the exit code that it fails with, return it."""
    return Finding(check, Severity.ERROR, sentence, remedy, exit_code)


def unchecked(check: str, because: str) -> Finding:
    """Given what stands in the way of a check, return that it wasn't made."""
    return Finding(check, Severity.UNCHECKED, f"not checked: {because}")


def faulty(check: str, fault: Fault, remedy: str = "") -> Finding:
    """Given a fault that the commands would have, too, return it. Its message mostly says what to do."""
    return error(check, fault.message, remedy, fault.exit_code)


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Given findings, return them the worst first; those of one kind in the order in which they were made."""
    return tuple(sorted(findings, key=lambda finding: _ORDER[finding.severity]))


def exit_code_of(findings: Iterable[Finding]) -> int:
    """Given findings, return 0 where nothing is to be mended, 1 for warnings, else the code of the worst error."""
    found = tuple(findings)
    codes = {finding.exit_code for finding in found if finding.severity is Severity.ERROR}
    if codes:
        return next((code for code in _WORST_FIRST if code in codes), max(codes))
    return WARNED if any(finding.severity is Severity.WARNING for finding in found) else 0


def size(count: int) -> str:
    """Given bytes, return them in MB, or in GB where that is clearer."""
    mega = count / 1_000_000
    return f"{mega / 1_000:,.1f} GB" if mega >= 10_000 else f"{mega:,.0f} MB"
