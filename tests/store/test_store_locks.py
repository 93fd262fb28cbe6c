"""The lock between machines: held by one session, freed with it, and nothing on SQLite."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

import pytest
from sqlalchemy import text

from revops.errors import TemporaryError, UnavailableError
from revops.store.engine import Database
from revops.store.locks import advisory_lock


@pytest.mark.postgres
def test_lock_is_held_by_one_session(postgres_url: str) -> None:
    with closing(Database.open(postgres_url)) as one, closing(Database.open(postgres_url)) as two:
        with advisory_lock(one, 1, "fees"):
            with pytest.raises(TemporaryError, match="fees: another machine"), advisory_lock(two, 1, "fees"):
                pytest.fail("the lock is held")
            with advisory_lock(two, 2, "fees"), advisory_lock(two, 1, "rebalance"):
                pass
            with one.transaction(1) as tx:  # the lock's connection is its own
                assert tx.connection.execute(text("SELECT 1")).scalar() == 1
        with advisory_lock(two, 1, "fees"):
            pass


@pytest.mark.postgres
def test_waiting_ends_when_the_lock_is_freed_or_time_is_up(postgres_url: str) -> None:
    with closing(Database.open(postgres_url)) as one, closing(Database.open(postgres_url)) as two:
        holder = advisory_lock(one, 1, "sync")
        holder.__enter__()
        slept: list[float] = []
        with (
            pytest.raises(TemporaryError),
            advisory_lock(
                two, 1, "sync", wait_seconds=1.0, monotonic=lambda: sum(slept), sleep=lambda span: slept.append(span)
            ),
        ):
            pytest.fail("the lock is held")
        assert sum(slept) == 1.0

        def free(span: float) -> None:
            if not slept:
                holder.__exit__(None, None, None)
            slept.append(span)
            time.sleep(span)  # the server takes a moment to end the session

        slept.clear()
        with advisory_lock(two, 1, "sync", wait_seconds=30.0, monotonic=lambda: sum(slept), sleep=free):
            assert slept


@pytest.mark.postgres
def test_lock_is_freed_by_whatever_ends_the_body(postgres_url: str) -> None:
    with closing(Database.open(postgres_url)) as one:
        with pytest.raises(ZeroDivisionError), advisory_lock(one, 1, "fees"):
            raise ZeroDivisionError
        with advisory_lock(one, 1, "fees"):
            pass


@pytest.mark.postgres
def test_lock_of_a_lost_connection_is_free_and_its_holder_ends_quietly(
    postgres_url: str, postgres_admin: Callable[[str], None]
) -> None:
    """This is why the ledger has a fence of its own: the holder can't know."""
    with (
        closing(Database.open(postgres_url)) as one,
        closing(Database.open(postgres_url)) as two,
        advisory_lock(one, 1, "x"),
    ):
        postgres_admin("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        # The server takes a moment to end a session; a wait that is bounded, not slept through.
        with advisory_lock(two, 1, "x", wait_seconds=10.0):
            pass


@pytest.mark.postgres
def test_server_that_is_gone_gives_no_lock() -> None:
    with pytest.raises(UnavailableError):
        Database.open("postgresql://u@127.0.0.1:1/revops")


def test_sqlite_needs_none(sqlite_url: str) -> None:
    with closing(Database.open(sqlite_url)) as one, advisory_lock(one, 1, "fees"), advisory_lock(one, 1, "fees"):
        pass
