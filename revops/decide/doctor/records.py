"""What is wrong with the records: the database, its age and copies, the books, the budget, the reserve, and cron."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from revops.decide.cadence import expected_seconds, is_late
from revops.decide.doctor.findings import DATA, FORBIDDEN, error, faulty, note, ok, size, unchecked, warning
from revops.domain.health import BackupFacts, CommandFacts, DatabaseFacts, Finding, RecordFacts
from revops.domain.instants import is_ahead, span
from revops.domain.policy import Config
from revops.domain.schedule import EVERY_SECONDS
from revops.domain.text import counted
from revops.domain.units import sat_ceil, sat_exact

DATABASE: Final = "database"
INTEGRITY: Final = "database.integrity"
BACKUP: Final = "database.backup"
SAME_NODE: Final = "records.node"
FRESH: Final = "records.fresh"
BOOKS: Final = "records.books"
LEDGER: Final = "records.ledger"
SPENDING: Final = "records.spending"
UNDER_WAY: Final = "records.under_way"
CRON: Final = "cron"

_DAY_SECONDS: Final = 86_400.0
#: A payment that is held this long is held by somebody; it ends with its HTLC, within a week.
_LONG_UNDER_WAY_SECONDS: Final = _DAY_SECONDS
#: Backups are made daily by crontab.example.
_OLD_BACKUP_SECONDS: Final = 8 * _DAY_SECONDS
#: SQLite's locks and shared memory don't work there: two machines would spoil the file.
_NETWORK_FILE_SYSTEMS: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "afs", "ceph"})
_OTHERS: Final = 0o077


def database(facts: DatabaseFacts) -> Iterator[Finding]:
    """Given the database, say whether the commands can open and write it, and whether it is theirs alone."""
    if facts.fault is not None:
        yield faulty(DATABASE, facts.fault)
        yield unchecked(INTEGRITY, "the database can't be opened")
        return
    if not facts.writable:
        yield error(
            DATABASE, f"this user may not write {facts.shown_url}, or not its folder",
            "run revops as its owner, or give the file and its folder to this user (chown)", FORBIDDEN,
        )  # fmt: skip
    elif facts.mode & _OTHERS:
        yield warning(
            DATABASE, f"others may open {facts.shown_url} (mode {facts.mode:04o}): it says what the node earns",
            f"chmod 600 {facts.path}",
        )  # fmt: skip
    elif facts.file_system in _NETWORK_FILE_SYSTEMS:
        yield warning(
            DATABASE, f"{facts.shown_url} is on a network file system ({facts.file_system}), where SQLite's locks fail",
            "move it to a local disk, or use PostgreSQL",
        )  # fmt: skip
    else:
        yield ok(DATABASE, f"{facts.shown_url}{f', {size(facts.size_bytes)}' if facts.size_bytes else ''}")
    yield from _integrity(facts)


def not_made() -> Iterator[Finding]:
    """Return what is said where there is neither a configuration nor a database: `init` makes both."""
    for check in (DATABASE, INTEGRITY, FRESH, CRON):
        yield unchecked(check, "there is no configuration that says where the database is")


def _integrity(facts: DatabaseFacts) -> Iterator[Finding]:
    if facts.problems:
        yield error(
            INTEGRITY, f"the file is damaged: {facts.problems[0]}",
            "stop cron, and restore a backup: README, Database, says what it has forgotten", DATA,
        )  # fmt: skip
    elif facts.problems is None:
        yield ok(INTEGRITY, "the server sees to that")
    elif facts.complete:
        yield ok(INTEGRITY, "the file is sound")
    else:
        yield ok(INTEGRITY, "nothing found in the time there was; `revops db check` reads all of the file")


def backup(facts: BackupFacts, now: float) -> Iterator[Finding]:
    """Given the copies and the time, say how old the newest is."""
    if facts.newest_at is not None:
        age_seconds = now - facts.newest_at
        if age_seconds <= _OLD_BACKUP_SECONDS:
            yield ok(BACKUP, f"the newest copy in {facts.folder} was made {span(age_seconds)} ago")
            return
        found = f"the newest copy in {facts.folder} is {span(age_seconds)} old"
    else:
        found = f"there is no copy in {facts.folder}"
    young = facts.oldest_run_at is None or now - facts.oldest_run_at < _OLD_BACKUP_SECONDS
    remedy = "`revops db backup --keep 7`, daily by cron (crontab.example); copies elsewhere aren't seen here"
    yield note(BACKUP, found, remedy) if young and facts.newest_at is None else warning(BACKUP, found, remedy)


def same_node(facts: RecordFacts, node_id: str | None) -> Iterator[Finding]:
    """Given the records and the node that answers (None: none did), say whether they are of one node."""
    if node_id is None:
        yield unchecked(SAME_NODE, "the node doesn't answer")
    elif node_id in facts.known_node_ids:
        others = len(facts.known_node_ids) - 1
        yield ok(SAME_NODE, f"the records are this node's{f'; {others} more share the database' if others else ''}")
    else:
        yield warning(
            SAME_NODE, f"the database holds the records of {facts.known_node_ids[0][:12]}, and {node_id[:12]} answers",
            "look at node.rpc_path and database.url: the next sync begins records of another node",
        )  # fmt: skip


def unknown_node() -> Finding:
    """Return what is said where the database has no node yet."""
    return note(FRESH, "nothing is recorded yet", "`revops sync` copies the node's history")


def records(facts: RecordFacts, config: Config, now: float) -> Iterator[Finding]:
    """Given what the records say, and the time, say what in them needs looking at."""
    yield from _fresh(facts, now)
    yield from _books(facts)
    yield from _spending(facts, config, now)
    yield from _under_way(facts, now)


def _fresh(facts: RecordFacts, now: float) -> Iterator[Finding]:
    if facts.synced_at is None:
        yield unknown_node()
    elif is_ahead(facts.synced_at, now):
        yield warning(
            FRESH, f"the last sync was recorded {span(facts.synced_at - now)} in the future: a clock was, or is, wrong",
            "set the clock; what was learnt meanwhile counts again when it has passed that time",
        )  # fmt: skip
    else:
        yield ok(FRESH, f"the last sync was {span(now - facts.synced_at)} ago")


def _books(facts: RecordFacts) -> Iterator[Finding]:
    difference = None if facts.books is None else facts.books.difference_msat
    if difference:
        yield warning(
            BOOKS, f"the node and the records differ by {sat_exact(difference)} sat of what forwards have earned",
            "`revops reconcile` says where, and why",
        )  # fmt: skip
    elif difference is None:
        yield note(BOOKS, "the books aren't compared yet", "`revops sync` does that")
    else:
        yield ok(BOOKS, "the node and the records agree on what forwards have earned")


def _spending(facts: RecordFacts, config: Config, now: float) -> Iterator[Finding]:
    """Reserves first: they suspend all that writes, not spending alone. Each reason holds the figures."""
    if facts.synced_at is None:
        yield unchecked(SPENDING, "the node's funds aren't known before the first sync")
        return
    for reason in facts.suspended:
        yield warning(
            SPENDING,
            f"spending is suspended: {reason.sentence}",
            "`revops budget check` says what goes on meanwhile",
        )
    close = [
        one for one in facts.reserves if one.reason is None and one.floor_msat > 0 and one.have_msat < one.resume_msat
    ]
    for one in close:
        yield note(
            SPENDING,
            f"{one.place}: {sat_exact(one.have_msat)} sat, little above the reserve of {sat_ceil(one.floor_msat):,}",
            "top it up before everything that writes is suspended",
        )
    if not facts.suspended and not close:
        acts = config.fees.mode == "act" or config.rebalance.mode == "act"
        yield ok(SPENDING, f"nothing is suspended{'' if acts else ' (and nothing acts: both modes are observe)'}")


def _under_way(facts: RecordFacts, now: float) -> Iterator[Finding]:
    long = [at for at in facts.reserved_at if now - at > _LONG_UNDER_WAY_SECONDS]
    if long:
        yield warning(
            UNDER_WAY,
            f"{counted(len(facts.reserved_at), 'payment')} may be under way, {len(long)} of them for "
            f"{span(now - max(long))} and longer",
            "`revops rebalance run` settles what has ended; `revops budget check` lists them",
        )
    else:
        yield ok(UNDER_WAY, f"{counted(len(facts.reserved_at), 'payment')} may be under way")


def cron(facts: RecordFacts, now: float) -> Iterator[Finding]:
    """Given the runs on record and the time, say which command failed last, or hasn't succeeded for too long."""
    known = {one.last.command: one for one in facts.commands}
    if not known:
        yield note(CRON, "no command has run yet", "`revops init --crontab` prints the lines for this machine")
        return
    first_at = facts.oldest_run_at if facts.oldest_run_at is not None else now
    problems = False
    for command, example_seconds in EVERY_SECONDS.items():
        found = _late(command, known.get(command), example_seconds, first_at, now)
        if found is not None:
            problems = True
            yield found
    if not problems:
        yield ok(CRON, "each command has succeeded lately, or isn't due yet")


def _late(
    command: str, facts: CommandFacts | None, example_seconds: float, first_at: float, now: float
) -> Finding | None:
    if facts is None:
        if is_late(first_at, example_seconds, now):
            return warning(
                CRON, f"`revops {command}` has never run, {span(now - first_at)} after the first command",
                "add its line to the crontab: `revops init --crontab` prints it",
            )  # fmt: skip
        return None
    every = expected_seconds(example_seconds, facts.starts) or example_seconds
    last = facts.last
    ended = "was killed, or runs now" if last.exit_code is None else f"ended with exit code {last.exit_code}"
    said = f": {last.message}" if last.exit_code and last.message else ""
    if facts.last_success_at is None:
        if last.exit_code == 0 or not is_late(min(facts.starts, default=last.started_at), example_seconds, now):
            return None
        return warning(CRON, f"`revops {command}` has never succeeded: the last run {ended}{said}", _by_hand(command))
    if not is_late(facts.last_success_at, every, now):
        return None
    since = span(now - facts.last_success_at)
    if last.started_at <= facts.last_success_at:
        return warning(
            CRON, f"`revops {command}` has not run since {since}, and is expected every {span(every)}",
            "look whether cron runs, and at the mail that it sends; a line that hangs is ended by `timeout`",
        )  # fmt: skip
    return warning(
        CRON, f"`revops {command}` has not succeeded since {since}: the last run {ended}{said}", _by_hand(command)
    )


def _by_hand(command: str) -> str:
    return f"run `revops {command} -v` by hand, as cron's user"


def ledger(gap: str | None) -> Finding:
    """Given what is missing in the spend ledger (None: nothing), say whether the budget can be trusted."""
    if gap is None:
        return ok(LEDGER, "every entry of the spend ledger is there")
    return error(LEDGER, gap, "restore a newer backup; until then nothing is spent", DATA)
