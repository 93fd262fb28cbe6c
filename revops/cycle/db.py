"""`revops db upgrade|check|backup`: the schema, which no other command touches, and a copy."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from revops.config import state_dir_of, url_of
from revops.config_database import load_section, load_url
from revops.domain.options import CommonOptions
from revops.domain.summary import BackupSummary, DatabaseState, UpgradePlan
from revops.errors import ConfigError, DataError, OutputError
from revops.store import backups
from revops.store import upgrade as schema
from revops.store.tables import SCHEMA_VERSION
from revops.store.upgrade_plan import plan

_log = logging.getLogger(__name__)


def upgrade(options: CommonOptions) -> DatabaseState:
    """Given the flags, create the database or bring its schema up to date; return what it was and is. What is left for
    another time is a warning.
    """
    state = schema.upgrade(load_url(options))
    if state.warning is not None:
        _log.warning("%s", state.warning)
    return state


def preview(options: CommonOptions) -> UpgradePlan:
    """Given the flags, return what `upgrade` would do; nothing is changed."""
    return plan(load_url(options))


def check(options: CommonOptions) -> DatabaseState:
    """Given the flags, return the schema's version where all is well.

    Raise ConfigError where the schema is another version's, DataError where the file, the ledger or the sums of
    forwards are damaged.
    """
    found = schema.check(load_url(options))
    if found.version != SCHEMA_VERSION:
        raise ConfigError(f"database {found.url}: {'; '.join(found.problems)}")
    if found.problems:
        raise DataError(f"database {found.url}: {'; '.join(found.problems)}")
    return DatabaseState(url=found.url, version_before=found.version, version=found.version)


def backup(
    options: CommonOptions, target: Path | None, keep: int | None = None, clock: Callable[[], float] = time.time
) -> BackupSummary:
    """Given the flags, copy the database while others go on using it: to a file that doesn't exist, or into a folder
    (None: beside the database) under its name and the time. With `keep`, remove all but so many of its copies there.
    """
    section = load_section(options)
    folder = target or backups.default_folder(state_dir_of(section))
    if target is not None and keep is None and not target.is_dir():
        return schema.backup(url_of(section), target)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"backup {folder}: not a folder, as --keep needs it")
    name = backups.copied_name(url_of(section))
    target = folder / backups.dated_name(name, clock())
    made = schema.backup(url_of(section), target, make_folder=True)
    removed = () if keep is None else backups.keep(target, name, keep)
    return replace(made, removed_count=len(removed))
