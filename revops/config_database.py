"""What the commands of the database need of the configuration: where the database is, and nothing else.

After an update the file may hold a key that is gone. That must not keep anybody from the backup, the check and the
upgrade that the update asks for; so here whatever is wrong elsewhere is a warning. In `[database]`, or where that was
probably meant, it is an error: better no database than another one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from revops.config import ConfigFaults, gather, url_of, warnings

if TYPE_CHECKING:
    from revops.domain.options import CommonOptions
    from revops.domain.policy import DatabaseConfig

_SECTION: Final = "database"


def load_url(options: CommonOptions, environment: Mapping[str, str] | None = None) -> str:
    """Given the flags (and the environment), return the database's URL. Logs and raises as `load_section` does."""
    return url_of(load_section(options, environment))


def load_section(options: CommonOptions, environment: Mapping[str, str] | None = None) -> DatabaseConfig:
    """Given the flags (and the environment), return `[database]`, and log what is wrong with the rest.

    Raise ConfigFaults for all that is wrong with `[database]`, and as `revops.config.read` does.
    """
    from revops.config_schema import build, build_section

    reading = gather(options, environment)
    home = str(reading.file.path)
    faults = [fault for section, fault in reading.faults if section == _SECTION]
    database = build_section(_SECTION, reading.raw, home, faults)
    if database is None or faults:
        raise ConfigFaults(tuple(faults))
    section = cast("DatabaseConfig", database)
    elsewhere = [fault for section, fault in reading.faults if section != _SECTION]
    build(reading.raw, home, elsewhere, reading.rules)
    for warning in (
        *warnings(reading, url_of(section)),
        *(f"{fault}; other commands refuse this" for fault in elsewhere),
    ):
        logging.getLogger(__name__).warning("%s", warning)
    return section
