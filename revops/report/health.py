"""What `revops doctor` found, for people: what to mend first, then what is fine in one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from revops.domain.health import DoctorReport, Finding, Severity
from revops.domain.text import counted
from revops.report.blocks import Block, Legend, Line, Table

_WORDS: Final = {
    Severity.ERROR: "ERROR",
    Severity.WARNING: "WARNING",
    Severity.NOTE: "note",
    Severity.UNCHECKED: "unchecked",
    Severity.OK: "fine",
}
#: Told by name only, since there is nothing to do about them.
_BY_NAME: Final = (Severity.UNCHECKED, Severity.OK)


def doctor(report: DoctorReport, *, verbose: bool) -> Iterator[Block]:
    """Given the findings, render them; those that ask for nothing by name only, unless `verbose`."""
    told = [finding for finding in report.findings if verbose or finding.severity not in _BY_NAME]
    if told:
        yield Table("", ("", "check", "found; -> what to do"), tuple(row for one in told for row in _rows(one)))
    if not verbose:
        for severity in _BY_NAME:
            names = dict.fromkeys(finding.check for finding in report.findings if finding.severity is severity)
            if names:
                yield Legend(f"{_WORDS[severity]}: {', '.join(names)}")
    yield Line(_summary(report))


def _rows(finding: Finding) -> Iterator[tuple[str, ...]]:
    yield _WORDS[finding.severity], finding.check, finding.sentence
    if finding.remedy:
        yield "", "", f"-> {finding.remedy}"


def _summary(report: DoctorReport) -> str:
    numbers = {severity: sum(one.severity is severity for one in report.findings) for severity in Severity}
    found = [
        counted(numbers[severity], noun)
        for severity, noun in ((Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.NOTE, "note"))
        if numbers[severity]
    ]
    verdict = ", ".join(found) or "nothing to mend"
    calls = counted(report.call_count, "call")
    return f"{verdict}; {numbers[Severity.OK]} fine, in {report.duration_seconds:.1f} s with {calls} to the node"
