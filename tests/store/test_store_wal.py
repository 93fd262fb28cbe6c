"""The write-ahead log is waited for: whoever has the file open for a moment keeps nobody from his run."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from revops.errors import TemporaryError
from revops.store import wal
from revops.store.url import parse_url


def test_who_holds_the_file_for_a_moment_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "db"
    url = parse_url(f"sqlite:///{path}")
    engine = create_engine(url, connect_args={"timeout": 0})
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        waits: list[float] = []

        def released(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                other.execute("COMMIT")

        monkeypatch.setattr("revops.store.wal.time.sleep", released)
        wal.use_wal(url, engine)
        assert len(waits) == 3
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    engine.dispose()


def test_who_holds_it_for_good_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "db"
    url = parse_url(f"sqlite:///{path}")
    monkeypatch.setattr("revops.store.wal._LIMIT_SECONDS", 0.0)
    engine = create_engine(url, connect_args={"timeout": 0})
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TemporaryError, match="another run is writing"):
            wal.use_wal(url, engine)
    engine.dispose()
