"""Which lightningd we can work with.

v25.12 is the first with `listnetworkevents` and paged `listchannelmoves` free of the migration's duplicates; v26.06
the last whose replies were seen. `getinfo.version` comes in many forms: "v26.04.1-modded", "24.08.2-gentoo-r0",
"v25.12-22-g98a188b", "v26.06rc1", or a bare commit where it was built from a checkout without tags.
"""

from __future__ import annotations

import re
from typing import Final

from revops.errors import ConfigError

OLDEST: Final = (25, 12)
NEWEST_KNOWN: Final = (26, 6)

_NUMBERED: Final = re.compile(r"v?([0-9]{1,3})\.([0-9]{1,2})(?:\.[0-9]+)*(?:rc[0-9]+)?(?:[-+].*)?")
_COMMIT: Final = re.compile(r"g?[0-9a-f]{7,40}(?:-.*)?")


def parse_version(version: str) -> tuple[int, int] | None:
    """Given `getinfo.version`, return its (year, month), or None for a bare commit. Raise ValueError for anything
    else.
    """
    text = version.strip()
    match = _NUMBERED.fullmatch(text)
    if match is not None:
        return int(match[1]), int(match[2])
    if _COMMIT.fullmatch(text):
        return None
    raise ValueError(f"{version!r} is not a version of Core Lightning")


def check_version(version: str) -> str | None:
    """Given `getinfo.version`, return a warning, or None where all is well. Raise ConfigError where it can't work.

    A bare commit can't be placed, so its builder is told so and trusted; a text that is no version at all is refused.
    """
    try:
        series = parse_version(version)
    except ValueError:
        raise ConfigError(
            f"getinfo: version {version!r} is none that revops knows; v25.12 or later is needed"
        ) from None
    if series is None:
        return f"lightningd {version} is a build without a version number; revops needs v25.12 or later"
    if series < OLDEST:
        raise ConfigError(f"lightningd {version} is too old: revops needs v25.12 or later")
    if series > NEWEST_KNOWN:
        return f"lightningd {version} is newer than any that revops was tested with (v26.06)"
    return None
