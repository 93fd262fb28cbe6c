"""Copies of the database that rotate: only ours are ever removed, and none before the new one is whole."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from revops.cycle import db
from revops.domain.options import CommonOptions
from revops.errors import ConfigError, OutputError
from revops.store.backups import copies, dated_name, keep, newest_at
from revops.store.upgrade import upgrade

NOW = 1_796_000_000.0


@pytest.fixture
def options(tmp_path: Path) -> CommonOptions:
    """An operator with a database."""
    path = tmp_path / "config.toml"
    database = tmp_path / "state" / "revops.sqlite3"
    path.write_text(f'[node]\nrpc_path = "/none"\n[database]\nurl = "sqlite:///{database}"\n')
    upgrade(f"sqlite:///{database}")
    return CommonOptions(config_path=path, environment={})


def test_the_newest_are_kept_and_nothing_else_is_touched(options: CommonOptions, tmp_path: Path) -> None:
    folder = tmp_path / "state" / "backups"
    for day in range(5):
        made = db.backup(options, None, 3, partial(float, NOW + day * 86_400))
        (folder / "revops-mine.sqlite3").touch()
        assert made.target == str(folder / dated_name("revops", NOW + day * 86_400))
        assert made.removed_count == (1 if day >= 3 else 0)
    assert [path.name for path in copies(folder, "revops")] == [
        dated_name("revops", NOW + day * 86_400) for day in (2, 3, 4)
    ]
    assert (folder / "revops-mine.sqlite3").exists()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in copies(folder, "revops")} == {0o600}
    assert newest_at(folder, "revops") is not None


def test_without_keep_nothing_is_removed(options: CommonOptions, tmp_path: Path) -> None:
    for second in range(3):
        assert db.backup(options, tmp_path, clock=partial(float, NOW + second)).removed_count == 0
    assert len(copies(tmp_path, "revops")) == 3


def test_a_copy_that_fails_removes_none(options: CommonOptions, tmp_path: Path) -> None:
    for second in range(2):
        db.backup(options, None, 2, partial(float, NOW + second))
    folder = tmp_path / "state" / "backups"
    before = copies(folder, "revops")
    with pytest.raises(OutputError, match="such a file already"):
        db.backup(options, None, 1, lambda: NOW + 1)
    assert copies(folder, "revops") == before


def test_a_file_is_no_folder_to_keep_copies_in(options: CommonOptions, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="not a folder"):
        db.backup(options, tmp_path / "file", 2)


def test_a_new_file_is_made_as_before(options: CommonOptions, tmp_path: Path) -> None:
    assert db.backup(options, tmp_path / "one.sqlite3").target == str(tmp_path / "one.sqlite3")
    with pytest.raises(OutputError, match="such a file already"):
        db.backup(options, tmp_path / "one.sqlite3")


def test_there_is_nothing_to_copy_before_there_is_a_database(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[node]\nrpc_path = "/none"\n[database]\nurl = "sqlite:///{tmp_path}/state/x.sqlite3"\n')
    with pytest.raises(ConfigError, match="nothing to back up"):
        db.backup(CommonOptions(config_path=path, environment={}), None, 2)
    assert not (tmp_path / "state").exists()


def test_names_sort_by_age_and_an_empty_folder_has_none(tmp_path: Path) -> None:
    names = [dated_name("revops", NOW + step * 1_000_000) for step in range(50)]
    assert names == sorted(names)
    missing = tmp_path / "no"
    assert (copies(missing, "a"), newest_at(missing, "a"), keep(missing / "a", "a", 2)) == ((), None, ())


def test_the_new_copy_stays_where_a_clock_that_was_wrong_has_dated_others_later(
    options: CommonOptions, tmp_path: Path
) -> None:
    for day in (900, 901, 0, 1):
        made = db.backup(options, None, 2, partial(float, NOW + day * 86_400))
        assert Path(made.target).exists()
    names = [dated_name("revops", NOW + day * 86_400) for day in (1, 901)]
    assert [path.name for path in copies(tmp_path / "state" / "backups", "revops")] == names


def test_nodes_whose_backups_share_a_folder_and_a_second_keep_their_own(options: CommonOptions, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/state/other-node.sqlite3"
    upgrade(other)
    for second in range(2):
        for one in (options, replace(options, database_url=other)):
            db.backup(one, None, 1, partial(float, NOW + second))
    found = sorted(path.name for path in (tmp_path / "state" / "backups").iterdir())
    assert found == [dated_name(name, NOW + 1) for name in ("other-node", "revops")]
