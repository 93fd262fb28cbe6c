"""What `revops doctor` found, for people: what to mend first, then what is fine in one line."""

from __future__ import annotations

from collections.abc import Iterator

from revops.domain.health import DoctorReport, Severity
from revops.domain.text import counted
from revops.report.blocks import Block, Legend, Line

_WORDS = {Severity.ERROR: "ERROR", Severity.WARNING: "WARNING", Severity.NOTE: "note", Severity.UNCHECKED: "unchecked"}
_WIDTH = 9
_INDENT = " " * (_WIDTH + 1)


def doctor(report: DoctorReport, *, verbose: bool) -> Iterator[Block]:
    """Given the findings, render them; what is fine by name only, unless `verbose`."""
    for finding in report.findings:
        if finding.severity is Severity.UNCHECKED:
            continue
        if finding.severity is Severity.OK and not verbose:
            continue
        word = _WORDS.get(finding.severity, "ok")
        yield Legend(f"{word:<{_WIDTH}} {finding.check}: {finding.sentence}")
        if finding.remedy:
            yield Legend(f"{_INDENT}-> {finding.remedy}")
    yield from _names("unchecked", report, Severity.UNCHECKED)
    if not verbose:
        yield from _names("fine", report, Severity.OK)
    yield Line(_summary(report))


def _names(title: str, report: DoctorReport, severity: Severity) -> Iterator[Block]:
    names = dict.fromkeys(finding.check for finding in report.findings if finding.severity is severity)
    if names:
        yield Legend(f"{title:<{_WIDTH}} {', '.join(names)}")


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
