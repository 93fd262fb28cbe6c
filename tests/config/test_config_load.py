"""The configuration: where it is found, what overrides what, and how every fault is named."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import pytest

from revops import config
from revops.config import ConfigFaults, database_url, read, search_paths, state_dir
from revops.config_schema import keys_of, sections
from revops.domain.options import CommonOptions
from revops.errors import ConfigError, PermissionDenied

MINIMAL = '[node]\nrpc_path = "/run/lightning-rpc"\n'


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(config, "SYSTEM_FILE", tmp_path / "etc" / "config.toml")
    return tmp_path


SENTENCES = {
    "SAT": "amounts here are in sat",
    "SECONDS": "spans here are in seconds",
    "RELATIVE": "is relative; cron starts in another directory, so paths must be absolute",
    "MEMORY": "a database in memory forgets everything at the end of each run",
    "EXPECTED": "expected sqlite:////absolute/path or postgresql+psycopg://user@host/name",
}


def in_full(fault: str) -> str:
    for word, sentence in SENTENCES.items():
        fault = re.sub(rf"\b{word}\b", sentence, fault)
    return fault


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def faults_of(path: Path, environment: dict[str, str] | None = None, **options: object) -> list[str]:
    with pytest.raises(ConfigFaults) as caught:
        read(CommonOptions(config_path=path, **options), environment or {})  # type: ignore[arg-type]
    assert caught.value.exit_code == 78
    return [fault.replace(str(path), "FILE") for fault in caught.value.faults]


def faults(home: Path, text: str, **environment: str) -> list[str]:
    return faults_of(write(home / "c.toml", text), environment)


def loaded(home: Path, text: str = "", options: CommonOptions | None = None, **environment: str) -> config.Loaded:
    path = write(home / "c.toml", text if "[node]" in text else MINIMAL + text)
    return read(options or CommonOptions(config_path=path), {"REVOPS_CONFIG": str(path), **environment})


def test_defaults_are_those_of_the_structs(home):
    result = loaded(home)
    for name, section in sections().items():
        for key, field in keys_of(section).items():
            if not field.required:
                assert getattr(getattr(result.config, name), key) == getattr(section(**_required(section)), key)
    assert result.origins == {"node.rpc_path": str(home / "c.toml")}
    assert result.config.fees.mode == result.config.rebalance.mode == "observe"
    assert result.config.budget.daily_sat == result.config.budget.weekly_sat == 0


def _required(section: type) -> dict[str, object]:
    return {key: "/x" for key, field in keys_of(section).items() if field.required}


def test_flag_beats_variable_beats_file(home):
    text = '[metrics]\ntextfile_dir = "/file"\n[fees]\nmin_ppm = 1\n'
    variables = {"REVOPS_METRICS_TEXTFILE_DIR": "/variable", "REVOPS_FEES_MIN_PPM": "2"}
    path = write(home / "c.toml", MINIMAL + text)
    only_file = read(CommonOptions(config_path=path), {})
    with_variable = read(CommonOptions(config_path=path), variables)
    with_flag = read(CommonOptions(config_path=path, metrics_dir="/flag"), variables)
    found = [each.config.metrics.textfile_dir for each in (only_file, with_variable, with_flag)]
    assert found == ["/file", "/variable", "/flag"]
    assert with_flag.origins["metrics.textfile_dir"] == "--metrics-dir"
    assert with_flag.origins["fees.min_ppm"] == "REVOPS_FEES_MIN_PPM"
    assert read(CommonOptions(config_path=path, metrics_dir=""), variables).config.metrics.textfile_dir == ""


def test_variables_are_read_by_the_type_of_their_key(home):
    result = loaded(
        home,
        REVOPS_FEES_MAX_STEP_RATIO="0.5",
        REVOPS_FEES_MODE="act",
        REVOPS_RESERVE_EXEMPT="fees, fees",
        REVOPS_NODE_NAME="17",
        REVOPS_BUDGET_WEEKLY_SAT="1000",
    ).config
    assert result.fees.max_step_ratio == 0.5
    assert result.fees.mode == "act"
    assert result.reserve.exempt == ("fees", "fees")
    assert result.node.name == "17"
    assert result.budget.weekly_sat == 1000
    assert loaded(home, REVOPS_RESERVE_EXEMPT="").config.reserve.exempt == ()
    for text in ('["lnfee", "balance"]', "lnfee,balance", " ['lnfee', 'balance'] "):
        assert loaded(home, REVOPS_CLBOSS_UNMANAGE=text).config.clboss.unmanage == ("lnfee", "balance")


def test_reserved_and_foreign_variables_are_left_alone(home):
    loaded(home, REVOPS_CLN_SCHEMAS="/x", REVOPS_SLING_PLUGIN="/y", REVOPS_WEBSITE_PORT="80", REVOPS_="", FEES_MODE="x")


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        ("REVOPS_FEES_MIN_PPMS", "1", "REVOPS_FEES_MIN_PPMS: fees.min_ppms: unknown key; did you mean min_ppm?"),
        ("REVOPS_FEES_MIN_PPM", "ten", "REVOPS_FEES_MIN_PPM: fees.min_ppm: expected a whole number, found 'ten'"),
        ("REVOPS_FEES_MIN_PPM", "", "REVOPS_FEES_MIN_PPM: fees.min_ppm: expected a whole number, found ''"),
        (
            "REVOPS_NODE_NAME",
            "⚡" * 23,
            "REVOPS_NODE_NAME: node.name: is too long for the names of files: 200 letters at most",
        ),
        ("REVOPS_FEES_MIN_PPM", "-1", "REVOPS_FEES_MIN_PPM: fees.min_ppm: Expected int >= 0"),
        ("REVOPS_FEES_MAX_STEP_RATIO", "nan", "REVOPS_FEES_MAX_STEP_RATIO: fees.max_step_ratio: Expected float > 0.0"),
        (
            "REVOPS_RESERVE_EXEMPT",
            '["fees"',
            'REVOPS_RESERVE_EXEMPT: reserve.exempt: expected a list: a,b or, as in TOML, ["a", "b"]; found \'["fees"\'',
        ),
        (
            "REVOPS_FEES_MODE",
            "acting",
            'REVOPS_FEES_MODE: fees.mode: Invalid enum value \'acting\', expected "act" or "observe"',
        ),
        (
            "REVOPS_RESERVE_EXEMPT",
            "fees,ads",
            "REVOPS_RESERVE_EXEMPT: reserve.exempt[1]: Invalid enum value 'ads', expected \"fees\"",
        ),
        ("REVOPS_FEE_MODE", "act", "REVOPS_FEE_MODE: unknown section fee; did you mean REVOPS_FEES_...?"),
        (
            "REVOPS_BUDGET_DAILY_MSAT",
            "1",
            "REVOPS_BUDGET_DAILY_MSAT: budget.daily_msat: unknown key; amounts here are in sat: daily_sat",
        ),
    ],
)
def test_faults_of_the_environment_name_the_variable(home, variable, value, fault):
    assert faults(home, MINIMAL, **{variable: value}) == [fault]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[fees]\nmin_ppm = -1", "FILE: fees.min_ppm: Expected int >= 0"),
        ('[fees]\nmin_ppm = "5"', "FILE: fees.min_ppm: expected a whole number, without quotes"),
        ("[fees]\nmin_ppm = 5.0", "FILE: fees.min_ppm: expected a whole number, found 5.0"),
        ("[fees]\nmin_ppm = true", "FILE: fees.min_ppm: expected a whole number, found true"),
        ("[fees]\nmin_ppm = 1979-05-27", "FILE: fees.min_ppm: expected a whole number, found 1979-05-27"),
        ("[database]\nurl = 5", "FILE: database.url: expected a text in quotes, found 5"),
        ('[reserve]\nexempt = "fees"', "FILE: reserve.exempt: expected a list: [...], found 'fees'"),
        ("[fees]\nmax_step_ratio = inf", "FILE: fees.max_step_ratio: Expected float <= 10.0"),
        ("[fees]\nmin_pmm = 5", "FILE: fees.min_pmm: unknown key; did you mean min_ppm?"),
        ("[fees]\nzebra = 5", "FILE: fees.zebra: unknown key"),
        ("[fees]\nmin_ppm = 99_999", "FILE: fees.min_ppm = 99999 is above max_ppm = 2500"),
        ("[fees]\nmin_interval_hours = 8", "FILE: fees.min_interval_hours: unknown key; SECONDS: min_interval_seconds"),
        ("[fees]\nmin_interval = 8", "FILE: fees.min_interval: unknown key; SECONDS: min_interval_seconds"),
        ("[budget]\ndaily_msat = 5", "FILE: budget.daily_msat: unknown key; SAT: daily_sat"),
        ("[budget]\nmin_ppm = 5", "FILE: budget.min_ppm: unknown key; it belongs in [fees]"),
        ("[budget]\ndaily_sat = 5", "FILE: budget.daily_sat = 5 is above weekly_sat = 0"),
        ("[budgte]\ndaily_sat = 5", "FILE: budgte: unknown section; did you mean [budget]?"),
        ("[metrics]\ntextfile_dir = 'metrics'", "FILE: metrics.textfile_dir: 'metrics' RELATIVE"),
        ("[database]\nurl = 'sqlite://'", "FILE: database.url: EXPECTED"),
        ("[database]\nurl = 'sqlite:///:memory:'", "FILE: database.url: MEMORY"),
        ("[database]\nurl = 'sqlite:///a.db'", "FILE: database.url: 'a.db' RELATIVE"),
    ],
)  # fmt: skip
def test_faults_of_the_file_name_file_and_key(home, text, fault):
    assert faults(home, MINIMAL + text) == [in_full(fault)]


def test_what_stands_at_the_top_of_the_file_is_told_its_place(home):
    assert faults(home, 'rpc_path = "/x"\nfees = 3\n') == [
        "FILE: rpc_path: unknown key at the top of the file; it belongs in [node]",
        "FILE: fees: expected a section, [fees]",
        "FILE: node.rpc_path: is missing, and has no default",
    ]


def test_all_faults_are_said_at_once(home):
    text = '[node]\nrpc_path = 3\n[fees]\nmin_ppm = -1\nmax_ppm = "x"\n[budget]\ndaily_sat = 2\n[rebalance]\nlow = 1\n'
    found = faults(home, text, REVOPS_REPORT_WINDOW_DAYS="0")
    keys = ["node.rpc_path", "fees.min_ppm", "fees.max_ppm", "rebalance.low", "budget.daily_sat", "report.window_days"]
    assert [key for key in keys if any(key in fault for fault in found)] == keys
    assert len(found) == len(keys)


def test_no_fault_shows_a_password(home):
    url = "mysql://me:s3cret@host/db"
    found = faults(home, MINIMAL + f'[database]\nurl = "{url}"\n')
    assert len(found) == 1
    assert "s3cret" not in found[0]
    assert "s3cret" not in str(faults_of(home / "c.toml", {}, database_url=url))


def test_no_float_admits_what_is_not_a_number(home):
    for name, section in sections().items():
        for key, field in keys_of(section).items():
            if isinstance(field.default, float):
                for text in ("nan", "inf", "-inf"):
                    assert faults(home, MINIMAL + f"[{name}]\n{key} = {text}\n"), (name, key)
                    assert not math.isnan(field.default)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"[fees\n", "not valid TOML"),
        (b"a = " + b"9" * 5000, "not valid TOML"),
        (b"[node]\nname = '\xff'", "not UTF-8"),
    ],
)
def test_a_file_that_is_not_toml_says_so(home, content, part):
    path = home / "c.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=part) as caught:
        read(CommonOptions(config_path=path), {})
    assert str(caught.value).startswith(f"{path}: ")


def test_a_byte_order_mark_is_forgiven(home):
    path = home / "c.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert read(CommonOptions(config_path=path), {}).config.node.rpc_path == "/run/lightning-rpc"


def test_the_search_order(home):
    xdg = home / "xdg"
    environment = {"XDG_CONFIG_HOME": str(xdg)}
    expected = [xdg / "revops/config.toml", home / ".config/revops/config.toml", home / "etc/config.toml"]
    assert list(search_paths(environment)) == expected
    for path in reversed(expected):
        write(path, MINIMAL)
        assert read(CommonOptions(), environment).path == path
    named, flag = write(home / "named.toml", MINIMAL), write(home / "flag.toml", MINIMAL)
    environment["REVOPS_CONFIG"] = str(named)
    assert read(CommonOptions(), environment).path == named
    assert read(CommonOptions(config_path=flag), environment).path == flag


def test_no_file_says_where_it_was_looked_for(home):
    with pytest.raises(ConfigError, match="revops init") as caught:
        read(CommonOptions(), {})
    assert str(home / ".config/revops/config.toml") in str(caught.value)
    assert str(config.SYSTEM_FILE) in str(caught.value)


def test_a_named_file_that_is_missing_is_not_replaced_by_another(home):
    write(home / ".config/revops/config.toml", MINIMAL)
    for options, environment in (
        (CommonOptions(config_path=home / "none.toml"), {}),
        (CommonOptions(), {"REVOPS_CONFIG": str(home / "none.toml")}),
    ):
        with pytest.raises(ConfigError, match=r"none\.toml"):
            read(options, environment)


def test_a_directory_is_not_a_file(home):
    with pytest.raises(ConfigError, match="directory"):
        read(CommonOptions(config_path=home), {})


def test_an_unreadable_file_is_a_matter_of_permission(home, monkeypatch):
    path = write(home / "c.toml", MINIMAL, mode=0)
    if os.geteuid() == 0:  # root reads everything: let the system say what it would say to others

        def refuse(self: Path, *_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PermissionDenied) as caught:
        read(CommonOptions(config_path=path), {})
    assert caught.value.exit_code == 77
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("mode", "password", "part"),
    [
        (0o600, True, None),
        (0o640, True, None),
        (0o644, False, None),
        (0o644, True, "password"),
        (0o660, False, "others can write"),
        (0o606, False, "others can write"),
    ],
)
def test_loose_permissions_are_warned_of(home, mode, password, part):
    url = "postgresql://me:s3cret@host/db" if password else "postgresql://me@host/db"
    path = write(home / "c.toml", MINIMAL + f'[database]\nurl = "{url}"\n', mode)
    warnings = read(CommonOptions(config_path=path), {}).warnings
    assert len(warnings) == (0 if part is None else 1)
    assert part is None or part in warnings[0]


def test_load_logs_its_warnings(home, caplog):
    caplog.set_level("WARNING", "revops")  # a command with -q in the same process leaves it at ERROR
    path = write(home / "c.toml", MINIMAL, 0o666)
    config.load(CommonOptions(config_path=path), {})
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_the_database_and_the_locks_do_not_depend_on_the_session(home, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/0")
    result = loaded(home).config
    assert database_url(result) == f"sqlite:///{home}/.local/state/revops/revops.sqlite3"
    assert state_dir(result) == home / ".local/state/revops"


@pytest.mark.parametrize(
    ("text", "url", "folder"),
    [
        ("url = 'sqlite:////srv/r/a.db'", "sqlite:////srv/r/a.db", "/srv/r"),
        ("url = 'sqlite:///~/a.db?timeout=3'", "sqlite:///HOME/a.db?timeout=3", "HOME"),
        ("url = 'sqlite:////srv/r/a.db'\nstate_dir = '/locks'", "sqlite:////srv/r/a.db", "/locks"),
        ("state_dir = '~/s'", "sqlite:///HOME/s/revops.sqlite3", "HOME/s"),
        ("url = 'postgres://me@h/d'", "postgresql+psycopg://me@h/d", "HOME/.local/state/revops"),
        ("url = 'postgresql://me@h/d'\nstate_dir = '/locks'", "postgresql+psycopg://me@h/d", "/locks"),
    ],
)
def test_locks_live_beside_the_database(home, text, url, folder):
    result = loaded(home, f"[database]\n{text}\n").config
    assert database_url(result) == url.replace("HOME", str(home))
    assert str(state_dir(result)) == folder.replace("HOME", str(home))


def test_relative_paths_in_flags_are_meant_from_here(home, monkeypatch):
    path = write(home / "c.toml", MINIMAL)
    monkeypatch.chdir(home)
    options = CommonOptions(config_path=Path("c.toml"), database_url="sqlite:///x.db", metrics_dir="m")
    result = read(options, {})
    assert result.path == path
    assert result.config.database.url == f"sqlite:///{home}/x.db"
    assert result.config.metrics.textfile_dir == f"{home}/m"


def test_a_user_without_a_home_is_told(monkeypatch):
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(ConfigError, match="HOME"):
        search_paths({})
