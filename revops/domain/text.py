"""Texts from strangers, made harmless before they reach a terminal, a log line, a label or a table.

Aliases and descriptions are chosen by others. Control characters move cursors and clear screens, bidirectional
overrides make one text read as another, line separators forge log lines. What can't be seen is shown as an escape.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: Unicode categories without a glyph of their own: control, format (all bidi and zero-width marks), surrogate, private
#: use, unassigned, line and paragraph separator.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
#: A cell that starts like this is a formula for a spreadsheet (OWASP, "CSV Injection"), the wide forms in some locales.
_STARTS: Final = "=+\\-@\t\r\uff1d\uff0b\uff0d\uff20"
#: Where a cell may start: many spreadsheets part lines at semicolons, also within quotes that don't begin a cell then.
_FORMULA: Final = re.compile(f"(^|[;,])(?=[{_STARTS}])")

_USERINFO: Final = re.compile(r"^([^:/?#]+://[^:/@]*):.*@", re.DOTALL)
_SECRET_PARAMETER: Final = re.compile(r"([?&](?:password|sslpassword)=)[^&#]*", re.IGNORECASE)


def printable(text: str) -> str:
    """Given any text, return it on one line with all that is invisible written as \\xNN, \\uNNNN or \\UNNNNNNNN."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _INVISIBLE:
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def plain_name(alias: str, node_id: str) -> str:
    """Given a node's alias and id, return a name of letters, digits, dots and dashes, fit for files and labels."""
    word = re.sub(r"[^A-Za-z0-9.-]+", "-", alias).strip("-.")[:32]
    return word or node_id[:16]


def peer_name(alias: str | None, peer_id: str) -> str:
    """Given a peer's alias, if it has one, and its id, return what tells it apart in a line: "alias (0288d5b2a1c3)"."""
    beginning = peer_id[:12]
    return f"{alias} ({beginning})" if alias else beginning


def counted(count: int, noun: str) -> str:
    """Given a count and what is counted, in the singular, return both: "1 channel", "1,234 channels"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def csv_cell(text: str) -> str:
    """Given any text, return it printable and with a single quote before what a spreadsheet would run as a formula."""
    return printable(_FORMULA.sub(r"\1'", text))


def has_password(url: str) -> bool:
    """Given a database URL, return whether it carries a password."""
    return without_password(url) != url


def without_password(url: str) -> str:
    """Given a database URL, return it with its password as ***. Hides too much rather than too little."""
    return _SECRET_PARAMETER.sub(r"\1***", _USERINFO.sub(r"\1:***@", url))
