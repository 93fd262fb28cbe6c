"""The database's commands need its section alone: a key that an update took away must not keep from the upgrade."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from revops.cli.main import main
from revops.config import ConfigFaults, read
from revops.config_database import load_url
from revops.domain.options import CommonOptions
from revops.errors import ConfigError

GOOD = '[node]\nrpc_path = "/run/lightning-rpc"\n[database]\nurl = "sqlite:////x/y.db"\n'


def options(tmp_path: Path, text: str) -> CommonOptions:
    path = tmp_path / "c.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return CommonOptions(config_path=path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("[rebalance]\nincome_share_ratio = 0.5\n", "no key any more; min_return_ratio"),
        ("[fees]\nmin_ppm = -1\n", "fees.min_ppm: Expected int >= 0"),
        ("[fees]\nmin_ppm = 500\nmax_ppm = 400\n", "fees."),
        ("[nonsense]\nx = 1\n", "nonsense: unknown section"),
        ("[[rule]]\nmatch = { nothing = 1 }\n", "rule"),
    ],
)
def test_what_is_wrong_elsewhere_is_a_warning_here_and_an_error_there(
    tmp_path: Path, wrong: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    given = options(tmp_path, GOOD + wrong)
    with caplog.at_level(logging.WARNING):
        assert load_url(given, {}) == "sqlite:////x/y.db"
    (record,) = caplog.records
    assert said in record.getMessage()
    assert record.getMessage().endswith("; other commands refuse this")
    with pytest.raises(ConfigFaults) as raised:
        read(given, {})
    assert [f"{fault}; other commands refuse this" for fault in raised.value.faults] == [record.getMessage()]


def test_a_variable_and_a_missing_socket_elsewhere_are_warnings_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = load_url(options(tmp_path, ""), {"REVOPS_DATABASE_URL": "sqlite:////z", "REVOPS_FEES_NOTHING": "1"})
    assert found == "sqlite:////z"
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "fees.nothing: unknown key; other commands refuse this",
        "node.rpc_path: is missing, and has no default; other commands refuse this",
    ]


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ('[databse]\nurl = "sqlite:////a"\n', {}),
        ('[db]\nurl = "sqlite:////a"\n', {}),
        ('[database]\nurk = "sqlite:////a"\n', {}),
        ('[database]\nurl = "mysql://a"\n', {}),
        ("database = 1\n", {}),
        ('url = "sqlite:////a"\n', {}),
        ("", {"REVOPS_DATABASE_URK": "sqlite:////a"}),
        ("", {"REVOPS_DATABSE_URL": "sqlite:////a"}),
    ],
)
def test_where_another_database_may_be_meant_it_is_an_error(
    tmp_path: Path, text: str, variables: dict[str, str]
) -> None:
    with pytest.raises(ConfigFaults):
        load_url(options(tmp_path, text), variables)


def test_no_toml_and_no_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_url(options(tmp_path, "[[["), {})
    with pytest.raises(ConfigError, match="no configuration file"):
        load_url(CommonOptions(config_path=tmp_path / "none"), {})


def test_the_commands_of_the_database_do_their_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CONFIG", "DATABASE_URL"):
        monkeypatch.delenv(f"REVOPS_{name}", raising=False)
    url = f"sqlite:///{tmp_path}/r.db"
    text = f'[node]\nrpc_path = "/x"\n[database]\nurl = "{url}"\n[rebalance]\nincome_share_ratio = 1\n'
    path = str(options(tmp_path, text).config_path)
    for command in (["upgrade", "-n"], ["upgrade"], ["check"], ["backup", str(tmp_path / "copy.db")]):
        assert main(["db", *command, "-c", path]) == 0, command
        assert "min_return_ratio" in capsys.readouterr().err
    assert (tmp_path / "copy.db").exists()
    assert main(["report", "-c", path]) == 78
