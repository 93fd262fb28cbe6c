"""What an upgrade would do is said, and not done."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from revops.errors import ConfigError, DataError
from revops.store.tables import SCHEMA_VERSION
from revops.store.upgrade import migrations_directory, upgrade
from revops.store.upgrade_plan import plan
from tests.store.every_schema import build

VERSIONS = sorted(path.name[:4] for path in (migrations_directory() / "versions").glob("[0-9]*.py"))


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    found = plan(f"sqlite:///{tmp_path}/new/revops.sqlite3")
    assert (found.version_before, found.version, found.size_bytes, found.needed_bytes) == (None, SCHEMA_VERSION, 0, 0)
    assert [step.version for step in found.steps] == VERSIONS
    assert found.free_bytes is not None
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_up_to_date_needs_nothing(url: str) -> None:
    found = plan(url)
    assert (found.version_before, found.steps, found.needed_bytes, found.is_rewritten) == (SCHEMA_VERSION, (), 0, False)
    assert found.size_bytes > 100_000


def test_each_step_from_an_earlier_schema_is_told_and_the_room(tmp_path: Path) -> None:
    path = tmp_path / "revops.sqlite3"
    build(f"sqlite:///{path}", "0003")
    before = path.read_bytes()
    found = plan(f"sqlite:///{path}")
    assert path.read_bytes() == before
    assert (found.version_before, found.version) == ("0003", SCHEMA_VERSION)
    assert [step.version for step in found.steps] == [version for version in VERSIONS if version > "0003"]
    assert found.steps[0].title == "What others charge into each peer"
    assert found.size_bytes == len(before)
    assert found.needed_bytes >= len(before)
    assert found.free_bytes == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.2)
    assert upgrade(f"sqlite:///{path}").version_before == found.version_before


def test_a_file_that_cannot_shrink_is_written_anew(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        copy.execute("CREATE TABLE alembic_version (version_num TEXT)")
        copy.execute("INSERT INTO alembic_version VALUES (?)", (SCHEMA_VERSION,))
        copy.commit()
    found = plan(f"sqlite:///{tmp_path}/copy.db")
    assert found.is_rewritten
    assert found.needed_bytes == 2 * found.size_bytes


@pytest.mark.parametrize(("version", "said"), [("9999", "newer than"), ("abcd", "another program's")])
def test_what_an_upgrade_would_refuse_its_plan_refuses(tmp_path: Path, version: str, said: str) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES (?)", (version,))
        connection.commit()
    with pytest.raises(ConfigError, match=said):
        plan(f"sqlite:///{tmp_path}/x.db")


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.execute("CREATE TABLE wallet (x)")
    with pytest.raises(ConfigError, match="tables of another program"):
        plan(f"sqlite:///{tmp_path}/x.db")
    (tmp_path / "y.db").write_text("no database" * 999, encoding="utf-8")
    with pytest.raises(DataError):
        plan(f"sqlite:///{tmp_path}/y.db")
