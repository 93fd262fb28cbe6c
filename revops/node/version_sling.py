"""Which sling we can work with.

v4.0 brought `sling-once`; v4.1.1 fails what arrives over another channel than it was sent for (sling issue 11), before
which money was lost with peers that have several; v4.1.3 ends a once job whose channel is closed, which until then left
`sling-stats` without an answer.
"""

from __future__ import annotations

import re
from typing import Final

from revops.errors import ConfigError

OLDEST: Final = (4, 1, 3)
_NUMBERED: Final = re.compile(r"v?([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})(?:[-+.].*)?")


def check_sling(version: str) -> None:
    """Given the answer of `sling-version`, raise ConfigError where that is too old, or no version that is known."""
    match = _NUMBERED.fullmatch(version.strip())
    needed = "v" + ".".join(map(str, OLDEST))
    if match is None:
        raise ConfigError(f"sling-version: {version!r} is none that revops knows; {needed} or later is needed")
    if tuple(map(int, match.groups())) < OLDEST:
        raise ConfigError(f"sling {version} is too old: revops needs {needed} or later")
