"""The companion plugin's spool, read into the records as a part of every sync.

Nothing of it can make a sync fail: a spool that can't be read is a warning, and a figure in the metrics.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from revops.decide.recorder import fold, gap_seconds, outages
from revops.domain.policy import Config
from revops.domain.recorder import Outage, RecorderRecord
from revops.domain.values import replace
from revops.recorder.reading import read_page
from revops.store import recorder as store
from revops.store.engine import Database, Tx

#: One sync reads at most so many pages of a megabyte; the next one goes on.
MOST_PAGES: Final = 100
_WINDOWS: Final = (("24h", 86_400.0), ("7d", 7 * 86_400.0))
_log = logging.getLogger(__name__)


def ingest_spool(database: Database, node_key: int, config: Config) -> int:
    """Given the configuration, read what is new in the spool, if one is named; return how many lines were read."""
    if not config.recorder.spool_dir:
        return 0
    folder, count, malformed_count = Path(config.recorder.spool_dir), 0, 0
    with database.read(node_key) as tx:
        place = store.place(tx)
    for _ in range(MOST_PAGES):
        try:
            page = read_page(folder, place)
        except OSError as error:
            _warn_unreadable(database, node_key, folder, error)
            return count
        if page.place == place:
            break
        with database.transaction(node_key) as tx:
            if store.take_turn(tx) != place:  # another run was quicker
                return count
            store.save(tx, fold(page, store.last_span(tx, page.run_id)), page.place)
        place, count = page.place, count + len(page.lines)
        malformed_count += page.malformed_count
    else:
        _log.info("recorder.spool_dir: there is more than one sync reads; the next one goes on")
    if malformed_count:
        _log.warning("recorder.spool_dir: %s: %d lines could not be read, and were left out", folder, malformed_count)
    with database.read(node_key) as tx:
        known = store.recorded(tx)
    if known is not None and not known.readable:
        with database.transaction(node_key) as tx:
            store.take_turn(tx)
    return count


def _warn_unreadable(database: Database, node_key: int, folder: Path, error: OSError) -> None:
    _log.warning("recorder.spool_dir: %s can't be read: %s; going on without it", folder, error.strerror or error)
    with database.transaction(node_key) as tx:
        store.take_turn(tx)
        store.set_unreadable(tx)


def recorder_record(tx: Tx, now: float) -> RecorderRecord | None:
    """Given the moment, return what the records hold of the recorder; None where none was ever looked for."""
    found = store.recorded(tx)
    if found is None:
        return None
    gaps = {name: gap_seconds(store.spans_since(tx, now - seconds), now, seconds) for name, seconds in _WINDOWS}
    return replace(found, gap_seconds=gaps)


def known_outages(tx: Tx, since_at: float) -> tuple[Outage, ...]:
    """Given a moment, return when lightningd was away since then, as far as the recorder tells."""
    return outages(store.spans_since(tx, since_at))
