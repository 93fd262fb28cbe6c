"""Room given back to the disk: in short steps that let others write, all or nothing, and never by a dry run."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import namedtuple
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path

import pytest

from revops.cycle import db
from revops.domain.options import CommonOptions
from revops.errors import BugError, DiskError
from revops.store import forwards, rollup, space, tables, upgrade
from revops.store.engine import Database
from revops.store.url import parse_url
from tests.builders import DAY, NOW, OWN_ID
from tests.store.rows import make_forward, record
from tests.store.test_store_rollup import caught_up

REPOSITORY = Path(__file__).resolve().parents[2]
INCREMENTAL, NONE = 2, 0
#: Some 1.3 MB of forwards: several steps, when they are small.
ROWS = 10_000
PAGES = 20
WRITE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0)
connection.execute("UPDATE serial SET last_key = last_key + 1")
connection.commit()
"""
#: Dies within the step after the given number of them.
KILLED = """
import os, signal, sys
from revops.store import space
from revops.store.engine import Database
left, calls = int(sys.argv[2]), 0
def look():
    global calls
    calls += 1
    if calls > 3:
        os.kill(os.getpid(), signal.SIGKILL)
def sleep(_seconds):
    global left
    left -= 1
    if left == 0:
        used.set_progress_handler(look, 2)
numbers = space._number
def number(connection, name):
    global used
    used = connection
    return numbers(connection, name)
space._number = number
with Database.open(sys.argv[1]) as database:
    space.give_back(database, pages_at_once=20, sleep=sleep)
"""
#: Dies within VACUUM: after so many thousand of its instructions, or when a file of its gets too long.
KILLED_SWITCH = """
import os, signal, sys
from revops.store import space, upgrade
numbers, calls = space._number, 0
def look():
    global calls
    calls += 1
    if calls > int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
def number(connection, name):
    connection.set_progress_handler(look, 1_000)
    return numbers(connection, name)
space._number = number
upgrade.upgrade(sys.argv[1])
"""
KILLED_AT_LOG = """
import resource, signal, sys
from revops.store import upgrade
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
upgrade.upgrade(sys.argv[1])
"""


def path_of(url: str) -> Path:
    return Path(parse_url(url).database or "")


def asked(url: str, name: str) -> int:
    with closing(sqlite3.connect(path_of(url))) as raw:
        return int(raw.execute(f"PRAGMA {name}").fetchone()[0])


def size(url: str) -> int:
    """The file with all that is in its log, which the last connection folds in."""
    with closing(sqlite3.connect(path_of(url))) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return path_of(url).stat().st_size


@pytest.fixture(scope="module")
def filled(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with rows of which half were pruned."""
    path = tmp_path_factory.mktemp("filled") / "revops.sqlite3"
    shutil.copy2(sqlite_template, path)
    with closing(Database.open(f"sqlite:///{path}")) as database:
        node_key = database.node_key(OWN_ID, "ours", "bitcoin")
        with database.transaction(node_key) as tx:
            record(tx, 1, 2)
            forwards.ingest(tx, [make_forward(index, received_at=NOW - 9 * DAY) for index in range(1, ROWS + 1)], NOW)
            caught_up(tx, ROWS)
    with closing(Database.open(f"sqlite:///{path}")) as database:
        prune_half(database)
    return path


def prune_half(database: Database) -> None:
    """Prune the first half of the forwards, or what is left."""
    (node,) = database.known_nodes()
    with database.transaction(node.node_key) as tx:
        assert rollup.prune_forwards(tx, NOW, ROWS // 2) == ROWS // 2


@pytest.fixture
def own_file(filled: Path, tmp_path: Path) -> str:
    path = tmp_path / "own.sqlite3"
    shutil.copy2(filled, path)
    return f"sqlite:///{path}"


@pytest.fixture
def pruned(own_file: str) -> Iterator[tuple[str, Database]]:
    """A file of which nearly nothing is left."""
    with closing(Database.open(own_file)) as database:
        prune_half(database)
        yield own_file, database


def nothing(_seconds: float) -> None:
    """Steps one after the other."""


# ---- step by step


def test_new_file_gives_back_and_stays_empty_where_its_making_fails(tmp_path: Path, monkeypatch) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "_broken_references", lambda _connection: ["a row refers to nothing"])
        with pytest.raises(Exception, match="nothing was changed"):
            upgrade.upgrade(url)
    assert path_of(url).stat().st_size == 0
    assert upgrade.upgrade(url).warning is None
    assert asked(url, "auto_vacuum") == INCREMENTAL


def test_file_is_shorter_after_a_prune(pruned: tuple[str, Database]) -> None:
    url, database = pruned
    before = size(url)
    slept: list[float] = []
    given_back = space.give_back(database, pages_at_once=PAGES, sleep=slept.append)
    assert given_back > 400_000
    assert size(url) == before - given_back
    assert asked(url, "freelist_count") == 0
    assert upgrade.check(url).problems == ()
    # As many pauses as there are steps but one, each longer than SQLite's own between two looks at a lock.
    assert len(slept) + 1 == -(-given_back // (PAGES * asked(url, "page_size")))
    assert min(slept) > 0.1
    assert space.give_back(database, sleep=nothing) == 0


def test_file_on_disk_is_shorter_at_once(pruned: tuple[str, Database]) -> None:
    """Also while the database stays open."""
    url, database = pruned
    before = size(url)
    given_back = space.give_back(database, sleep=nothing)
    assert path_of(url).stat().st_size == before - given_back


def test_run_gives_back_so_much_and_no_more(pruned: tuple[str, Database]) -> None:
    url, database = pruned
    given_back = space.give_back(database, pages_at_once=PAGES, steps=2, sleep=nothing)
    assert given_back == 2 * PAGES * asked(url, "page_size")
    assert space.give_back(database, sleep=nothing) > 0
    assert asked(url, "freelist_count") == 0


def test_another_process_writes_between_any_two_steps(pruned: tuple[str, Database]) -> None:
    url, database = pruned
    codes: list[int] = []

    def write(_seconds: float) -> None:
        command = [sys.executable, "-c", WRITE, str(path_of(url))]
        codes.append(subprocess.run(command, timeout=60, check=False).returncode)

    assert space.give_back(database, pages_at_once=3 * PAGES, sleep=write) > 0
    assert len(codes) >= 2
    assert set(codes) == {0}


def test_who_waits_for_the_lock_gets_it_after_one_step(pruned: tuple[str, Database]) -> None:
    """With real pauses: a writer who finds the lock taken has written long before the last step."""
    url, database = pruned
    steps, written_after = 0, []
    waits, done = threading.Event(), threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(path_of(url), timeout=10, isolation_level=None)) as raw:
            waits.wait(10)
            raw.execute("UPDATE serial SET last_key = last_key + 1")
            written_after.append(steps)
            done.set()

    def sleep(seconds: float) -> None:
        nonlocal steps
        steps += 1
        if steps == 1:
            waits.set()
        done.wait(seconds)

    thread = threading.Thread(target=write)
    thread.start()
    space.give_back(database, pages_at_once=PAGES, sleep=sleep)
    thread.join()
    assert written_after
    assert written_after[0] < steps


def test_others_who_write_come_first(pruned: tuple[str, Database]) -> None:
    url, database = pruned
    with database.file() as connection:
        assert connection is not None
        connection.execute("PRAGMA busy_timeout = 10")
    free = asked(url, "freelist_count")
    with closing(sqlite3.connect(path_of(url), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert space.give_back(database, sleep=nothing) == 0
        other.execute("ROLLBACK")
    assert asked(url, "freelist_count") == free


@pytest.mark.parametrize(
    ("took_seconds", "steps"),
    [
        ([0.05] * 3, [PAGES] * 3),
        ([0.5] * 3, [20, 10, 5]),
        ([0.5, 0.01, 0.01, 0.01], [20, 10, 20, 20]),
        ([2.5], [PAGES]),
    ],
)
def test_slow_disk_gets_smaller_steps_or_none(
    pruned: tuple[str, Database], took_seconds: list[float], steps: list[int]
) -> None:
    url, database = pruned
    instants = iter([at for turn, took in enumerate(took_seconds) for at in (60.0 * turn, 60.0 * turn + took)])
    free = [asked(url, "freelist_count")]

    def count(_seconds: float) -> None:
        free.append(asked(url, "freelist_count"))

    space.give_back(
        database, pages_at_once=PAGES, steps=max(3, len(steps)), monotonic=lambda: next(instants), sleep=count
    )
    free.append(asked(url, "freelist_count"))
    assert [before - after for before, after in pairwise(free)] == steps


def test_full_disk_is_told(pruned: tuple[str, Database], monkeypatch: pytest.MonkeyPatch) -> None:
    _, database = pruned
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(space, "_in_steps", broken)
    with pytest.raises(DiskError, match="the disk is full"):
        space.give_back(database)


def test_killed_between_and_within_steps(pruned: tuple[str, Database]) -> None:
    """What was given back stays given back, a step that was under way never was, and the next run goes on."""
    url, database = pruned
    database.close()
    before = asked(url, "page_count")
    command = [sys.executable, "-c", KILLED, url, "3"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=REPOSITORY, check=False)
    assert answer.returncode == -signal.SIGKILL, answer.stderr
    assert asked(url, "page_count") == before - 3 * PAGES
    assert upgrade.check(url).problems == ()
    with closing(Database.open(url)) as again:
        assert space.give_back(again, sleep=nothing) > 0
    assert asked(url, "freelist_count") == 0


def test_reader_gives_nothing_back(pruned: tuple[str, Database]) -> None:
    url, _ = pruned
    with closing(Database.open(url, read_only=True)) as reader, pytest.raises(BugError, match="reading only"):
        space.give_back(reader)


@pytest.mark.postgres
def test_postgresql_sees_to_it_itself(postgres_url: str) -> None:
    with closing(Database.open(postgres_url)) as database:
        assert space.give_back(database) == 0
    assert upgrade.upgrade(postgres_url).warning is None


# ---- a file from before


@pytest.fixture
def older(own_file: str) -> str:
    """A file as they were made before."""
    with closing(sqlite3.connect(path_of(own_file), isolation_level=None)) as raw:
        raw.execute("PRAGMA auto_vacuum = NONE")
        raw.execute("VACUUM")
        raw.execute("PRAGMA user_version = 7")
    assert asked(own_file, "auto_vacuum") == NONE
    return own_file


def dump(url: str) -> list[str]:
    with closing(sqlite3.connect(path_of(url))) as raw:
        return list(raw.iterdump())


def test_upgrade_switches_an_older_file_once(older: str) -> None:
    rows = dump(older)
    with closing(Database.open(older)) as database:
        assert space.give_back(database, sleep=nothing) == 0
    # The schema is up to date: it is this that is left to do.
    state = upgrade.upgrade(older)
    assert (state.version_before, state.warning) == (tables.SCHEMA_VERSION, None)
    assert asked(older, "auto_vacuum") == INCREMENTAL
    assert dump(older) == rows
    assert asked(older, "user_version") == 7
    assert upgrade.check(older).problems == ()
    written = path_of(older).stat().st_mtime_ns
    assert upgrade.upgrade(older).warning is None
    assert path_of(older).stat().st_mtime_ns == written
    with closing(Database.open(older)) as database:
        prune_half(database)
        assert space.give_back(database, sleep=nothing) > 100_000


def test_switch_without_room_is_left_for_later(
    older: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usage = namedtuple("usage", "total used free")
    rows = dump(older)
    needed = 2 * size(older)
    options = CommonOptions(
        database_url=older, environment={"REVOPS_NODE_RPC_PATH": "/x"}, config_path=Path(os.devnull)
    )
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _path: usage(0, 0, needed - 1))
        with caplog.at_level(logging.WARNING):
            state = db.upgrade(options)
    assert state.version == tables.SCHEMA_VERSION
    assert f"takes {needed:,} bytes of disk for a while, {needed - 1:,} are free; so what" in caplog.text
    assert "`revops db upgrade` tries it again" in caplog.text
    assert (asked(older, "auto_vacuum"), dump(older)) == (NONE, rows)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(0, 0, needed))
    caplog.clear()
    assert db.upgrade(options).warning is None
    assert "tries it again" not in caplog.text
    assert asked(older, "auto_vacuum") == INCREMENTAL


def test_switch_while_somebody_writes_is_left_for_later(older: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("revops.store.url.LOCK_TIMEOUT_SECONDS", 0.05)
    with closing(sqlite3.connect(path_of(older), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        warning = upgrade.upgrade(older).warning
        other.execute("ROLLBACK")
    assert warning is not None
    assert "another run is writing" in warning
    assert asked(older, "auto_vacuum") == NONE
    assert upgrade.upgrade(older).warning is None
    assert asked(older, "auto_vacuum") == INCREMENTAL


def test_switch_while_somebody_reads(older: str) -> None:
    """Who reads goes on with what was there, and neither sees nor stops it."""
    with closing(sqlite3.connect(path_of(older), isolation_level=None)) as other:
        other.execute("BEGIN")
        before = other.execute("SELECT count(*) FROM forward").fetchone()
        assert upgrade.upgrade(older).warning is None
        assert other.execute("SELECT count(*) FROM forward").fetchone() == before
        other.execute("COMMIT")
        assert other.execute("SELECT count(*) FROM forward").fetchone() == before
    assert asked(older, "auto_vacuum") == INCREMENTAL


def test_switch_on_a_disk_that_gets_full(older: str) -> None:
    """The file system's own word for it: the file may get no longer than it is, so its log can't hold all of it."""
    rows = dump(older)
    script = (
        "import resource, signal, sys\n"
        "from revops.store import upgrade\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "print(upgrade.upgrade(sys.argv[1]).warning)\n"
    )
    command = [sys.executable, "-c", script, older]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=REPOSITORY, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "tries it again" in answer.stdout
    assert "full" in answer.stdout
    assert (asked(older, "auto_vacuum"), dump(older)) == (NONE, rows)
    assert upgrade.check(older).problems == ()


@pytest.mark.parametrize(
    ("script", "limit", "by"),
    [
        *((KILLED_SWITCH, calls, signal.SIGKILL) for calls in (1, 20, 40)),
        # As the log is written by which the new file gets over the old one.
        *((KILLED_AT_LOG, limit, signal.SIGXFSZ) for limit in (200_000, 600_000)),
    ],
)
def test_killed_switch_changes_nothing(older: str, script: str, limit: int, by: signal.Signals) -> None:
    rows = dump(older)
    command = [sys.executable, "-c", script, older, str(limit)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=REPOSITORY, check=False)
    assert answer.returncode == -by, answer.stderr
    assert (asked(older, "auto_vacuum"), dump(older)) == (NONE, rows)
    assert upgrade.check(older).problems == ()
    assert upgrade.upgrade(older).warning is None
    assert asked(older, "auto_vacuum") == INCREMENTAL


def test_file_of_another_program_is_not_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "wallet.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE channel (id INTEGER)")
    content = path.read_bytes()
    with suppress(Exception):
        upgrade.upgrade(f"sqlite:///{path}")
    assert path.read_bytes() == content
