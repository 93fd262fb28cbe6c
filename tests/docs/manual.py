"""revops/share/man/revops.1, from what the commands say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

from revops.errors import EXIT_CODES
from tests.docs.reference import Entry, common_options, entries

HEAD = r""".\" Made by `python -m tests.docs.regenerate`; a test holds it to what the commands say of themselves.
.TH REVOPS 1 "" revops "User Commands"
.\" Commands and variables are copied from here: no hyphens in them, and lines of their own length.
.nh
.ad l
.SH NAME
revops \- run a Core Lightning routing node at a profit, from cron
.SH SYNOPSIS
.B revops
.RI [ options ]
.I command
.RI [ options ]
.RI [ arguments ]
.SH DESCRIPTION
.B revops
sets the fees of a Core Lightning routing node, moves liquidity where forwards have paid for it, keeps books that add up
to the msat, and explains every decision.
It is a set of commands for cron, not a daemon: each one loads its state from a database, looks at the node once, takes
one round of decisions, acts, records what it did and why, and exits.
On success the commands of the crontab print nothing.
.PP
Begin with
.BR "revops init" ,
or look around with
.BR "revops demo" .
Fees and rebalancing only watch until the configuration says
.BR "mode = \(dqact\(dq" ,
and nothing is spent until it names a budget."""

#: An option in prose, which is typed with minus signs, not hyphens.
OPTION = re.compile(r"(?<![\w\\-])--?[A-Za-z][\w-]*")

TAIL = r""".SH ENVIRONMENT
.TP
.B REVOPS_CONFIG
The configuration file, where
.B \-\-config
names none.
.TP
.BI REVOPS_ SECTION _ KEY
A single value of the configuration, as in REVOPS_FEES_MAX_PPM=900.
.TP
.B NO_COLOR
Where it is set, no colours.
.SH FILES
.TP
.I ~/.config/revops/config.toml
The configuration of this user
.RI ( $XDG_CONFIG_HOME/revops/config.toml
where that is set).
.TP
.I /etc/revops/config.toml
The configuration where there is no other.
.SH SEE ALSO
.B revops docs
prints longer pages: on configuration, fees, rebalancing, the books, simulation, operation and metrics.
.PP
.BR crontab (5),
.BR lightningd (8),
.BR lightning\-cli (1)"""


def page() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield HEAD
    yield ".SH COMMON OPTIONS"
    yield r"Every command that does something takes these, before its name or after, and \fB\-\-help\fR."
    yield from _list(common_options())
    yield ".SH COMMANDS"
    for entry in entries()[1:]:
        yield from _entry(entry)
    yield ".SH EXIT STATUS"
    yield from _list([(str(code), meaning) for code, meaning in EXIT_CODES.items()])
    yield TAIL


def _entry(entry: Entry) -> Iterator[str]:
    yield f".SS {_words(entry.name)}"
    yield f".B {_words(entry.usage)}"
    for paragraph in entry.paragraphs:
        yield ".PP"
        yield from _paragraph(paragraph)
    for title, rows in entry.own_sections().items():
        if title != "Options":
            yield from (".PP", f"{_text(title)}:")
        yield from _list(rows)


def _paragraph(text: str) -> Iterator[str]:
    if text.startswith("\b"):
        yield ".nf"
        yield from (_text(line) for line in text.lstrip("\b\n").splitlines())
        yield ".fi"
    else:
        yield _text(" ".join(text.split()))


def _list(rows: list[tuple[str, str]]) -> Iterator[str]:
    for name, text in rows:
        yield from (".TP", f".B {_words(name)}", _text(" ".join(text.split())))


def _words(text: str) -> str:
    """What is typed as it stands: a hyphen is a minus, and quotes are the macro's own."""
    return _escaped(text).replace("-", r"\-").replace('"', r"\(dq")


def _text(text: str) -> str:
    """Prose; what stands between backticks is bold."""
    parts = re.split(r"`([^`]+)`", _escaped(text))
    bold = (rf"\fB{part.replace('-', chr(92) + '-')}\fR" if number % 2 else part for number, part in enumerate(parts))
    told = OPTION.sub(lambda found: found[0].replace("-", r"\-"), "".join(bold))
    return rf"\&{told}" if told.startswith((".", "'")) else told


def _escaped(text: str) -> str:
    plain = text.replace("\\", r"\e")
    return "".join(sign if ord(sign) < 128 else rf"\[u{ord(sign):04X}]" for sign in plain)
