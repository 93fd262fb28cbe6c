"""The configuration: found, read, overlaid with the environment and the flags, checked, all faults at once.

Order of precedence: flag, environment variable, file, default. Nothing is stored twice and nothing is read elsewhere.
"""

from __future__ import annotations

import logging
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from revops.domain.text import has_password
from revops.errors import BugError, ConfigError, DiskError, PermissionDenied, RevopsError

if TYPE_CHECKING:
    from revops.config_schema import Raw, RawValue
    from revops.domain.options import CommonOptions
    from revops.domain.policy import Config, DatabaseConfig

SYSTEM_FILE: Final = Path("/etc/revops/config.toml")
#: Variables of ours that only the tests read, and all that aren't a section and key.
FOR_TESTS: Final = frozenset({"REVOPS_CLN_SCHEMAS", "REVOPS_SLING_PLUGIN"})
RESERVED_VARIABLES: Final = FOR_TESTS | {"REVOPS_CONFIG"}
DATABASE_NAME: Final = "revops.sqlite3"


class NoConfig(ConfigError):
    """There is no configuration file, wherever one is looked for."""


class ConfigFaults(ConfigError):
    """Everything that is wrong with a configuration. `faults` are one line each."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and whence it came. `origins` maps "section.key" to file, variable or flag; absent: default."""

    config: Config
    path: Path
    origins: Mapping[str, str]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    text: str
    mode: int


@dataclass(slots=True)
class Reading:
    """What has been gathered so far: raw values, and what is wrong with where they stand, by the section that is meant
    ("" where that isn't known).
    """

    file: _File
    raw: Raw = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    rules: object = ()

    @property
    def origins(self) -> dict[str, str]:
        """Whence each value comes, by "section.key"."""
        return {f"{section}.{key}": value.origin for section, keys in self.raw.items() for key, value in keys.items()}

    def blame(self, section: str, fault: str) -> None:
        """Add a fault."""
        self.faults.append((section, fault))

    def put(self, section: str, key: str, value: RawValue) -> None:
        self.raw.setdefault(section, {})[key] = value


def load(options: CommonOptions, environment: Mapping[str, str] | None = None) -> Config:
    """Given the flags, return the configuration in force and log its warnings. Raise as `read` does."""
    loaded = read(options, environment)
    warn(loaded)
    return loaded.config


def warn(loaded: Loaded) -> None:
    """Given a configuration, log what an operator should mend."""
    for warning in loaded.warnings:
        logging.getLogger(__name__).warning("%s", warning)


def read(options: CommonOptions, environment: Mapping[str, str] | None = None) -> Loaded:
    """Given the flags (and the environment; default: that of the options, else the process's), return the configuration
    with its origins.

    Raise ConfigFaults with every fault, ConfigError where there is no file, PermissionDenied where it can't be read.
    """
    from revops.config_schema import build

    reading = gather(options, environment)
    faults = [fault for _, fault in reading.faults]
    config = build(reading.raw, str(reading.file.path), faults, reading.rules)
    if config is None:
        raise ConfigFaults(tuple(faults))
    return Loaded(config, reading.file.path, reading.origins, tuple(warnings(reading, config.database.url)))


def sound(options: CommonOptions, rpc_path: str, environment: Mapping[str, str] | None = None) -> Config:
    """Given the flags, return what of a faulty configuration holds, with the default for all that doesn't, and
    `rpc_path` where no socket is named: for a look at what else is wrong, never to act by.
    """
    from revops.config_schema import RawValue, build, sound_part

    try:
        reading = gather(options, environment)
    except RevopsError:  # no file, or none that can be read: flags and defaults remain
        reading = Reading(_File(Path(), "", 0))
        _read_flags(options, reading)
    raw = sound_part(reading.raw)
    raw.setdefault("node", {}).setdefault("rpc_path", RawValue(rpc_path, "default"))
    config = build(raw, "", [])
    if config is None:
        raise BugError("defaults make no configuration; please report this")
    return config


def gather(options: CommonOptions, environment: Mapping[str, str] | None = None) -> Reading:
    """Given the flags and the environment, return what the file, the environment and the flags say, not judged yet.

    Raise ConfigError where there is no file or it is no TOML, PermissionDenied where it can't be read.
    """
    variables = next(one for one in (environment, options.environment, os.environ) if one is not None)
    reading = Reading(_find(options.config_path, variables))
    _read_file(reading)
    _read_environment(variables, reading)
    _read_flags(options, reading)
    return reading


def database_url(config: Config) -> str:
    """Given the configuration, return the database's URL; by default an SQLite file in the state directory."""
    return url_of(config.database)


def url_of(database: DatabaseConfig) -> str:
    """Given the section of the database, return its URL."""
    return database.url or f"sqlite:///{_default_state_dir(database) / DATABASE_NAME}"


def state_dir(config: Config) -> Path:
    """Given the configuration, return the directory of the locks: beside the SQLite file, wherever that is.

    Two runs on one database must meet at one lock, so the directory follows the database, not the session.
    """
    return state_dir_of(config.database)


def state_dir_of(database: DatabaseConfig) -> Path:
    """Given the section of the database, return the same."""
    url = url_of(database)
    if database.state_dir or not url.startswith("sqlite"):
        return _default_state_dir(database)
    return Path(url.partition(":///")[2].partition("?")[0]).parent


def _default_state_dir(database: DatabaseConfig) -> Path:
    # XDG_STATE_HOME and XDG_RUNTIME_DIR are left out on purpose: a login shell has them, cron has not, and the two
    # would then work on two databases and under two locks.
    if database.state_dir:
        return Path(database.state_dir)
    return home_dir() / ".local" / "state" / "revops"


def home_dir() -> Path:
    """Return the user's home. Raise ConfigError where the system knows none."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise ConfigError("this user has no home directory: set HOME, or database.state_dir and --config") from error


def search_paths(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Given the environment, return where a configuration is looked for when none is named, best first.

    ~/.config is searched even where XDG_CONFIG_HOME says otherwise, so that cron finds what a login shell wrote there.
    """
    folders = [Path(environment["XDG_CONFIG_HOME"])] if environment.get("XDG_CONFIG_HOME") else []
    folders.append(home_dir() / ".config")
    return (*dict.fromkeys(folder / "revops" / "config.toml" for folder in folders), SYSTEM_FILE)


def _find(named: Path | None, environment: Mapping[str, str]) -> _File:
    if named is None and environment.get("REVOPS_CONFIG"):
        named = Path(environment["REVOPS_CONFIG"])
    paths = (named.absolute(),) if named is not None else search_paths(environment)
    for path in paths:
        file = _open(path)
        if file is not None:
            return file
    looked = ", ".join(str(path) for path in paths)
    raise NoConfig(f"no configuration file: looked for {looked}; `revops init` writes one")


def _open(path: Path) -> _File | None:
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            return _File(path, stream.read().decode("utf-8-sig"), mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise PermissionDenied(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text, as TOML must be (byte {error.start})") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path}: is a directory, expected a file") from error
    except OSError as error:
        raise DiskError(f"{path}: {error.strerror or error}") from error


def _read_file(reading: Reading) -> None:
    from revops.config_schema import RawValue, keys_of, sections, unknown_section

    file = reading.file
    try:
        document: dict[str, Any] = tomllib.loads(file.text)
    except ValueError as error:  # TOMLDecodeError is one; a number with thousands of digits another
        raise ConfigError(f"{file.path}: not valid TOML: {error}") from error
    for section, keys in document.items():
        if section == "rule":
            reading.rules = keys
        elif section not in sections():
            hint = unknown_section(section, table=isinstance(keys, dict))
            meant = next((name for name in sections() if f"[{name}]" in hint), "")
            if isinstance(keys, dict) and keys.keys() & keys_of(sections()["database"]).keys():
                meant = "database"  # it names one, whatever it is called
            reading.blame(meant, f"{file.path}: {section}: {hint}")
        elif not isinstance(keys, dict):
            reading.blame(section, f"{file.path}: {section}: expected a section, [{section}]")
        else:
            for key, value in keys.items():
                reading.put(section, key, RawValue(value, str(file.path)))


def _read_environment(environment: Mapping[str, str], reading: Reading) -> None:
    from revops.config_schema import RawValue, keys_of, sections, unknown_key

    known = sections()
    for variable in sorted(environment):
        if not variable.startswith("REVOPS_") or variable in RESERVED_VARIABLES:
            continue
        section, _, key = variable.removeprefix("REVOPS_").lower().partition("_")
        if section not in known:
            _check_section(variable, section, tuple(known), reading)
        elif key in keys_of(known[section]):
            reading.put(section, key, RawValue(environment[variable], variable, text=True))
        else:
            reading.blame(section, f"{variable}: {section}.{key}: {unknown_key(section, key)}")


def _check_section(variable: str, section: str, known: tuple[str, ...], reading: Reading) -> None:
    """A variable of another program may begin like ours; only one that is nearly a section of ours is a fault."""
    import difflib

    if section in {"rule", "rules"}:
        reading.blame("rule", f"{variable}: rules are set in the file only, as [[rule]]")
        return
    near = difflib.get_close_matches(section, known, n=1, cutoff=0.75)
    if near:
        reading.blame(near[0], f"{variable}: unknown section {section}; did you mean REVOPS_{near[0].upper()}_...?")


def _read_flags(options: CommonOptions, reading: Reading) -> None:
    from revops.config_schema import RawValue

    database_url, metrics_dir = places_of(options)
    if database_url is not None:
        reading.put("database", "url", RawValue(database_url, "--db"))
    if metrics_dir is not None:
        reading.put("metrics", "textfile_dir", RawValue(metrics_dir, "--metrics-dir"))


def places_of(options: CommonOptions) -> tuple[str | None, str | None]:
    """Given the flags, return the database's URL and the metrics' folder ("": none), absolute; None where not given."""
    url = None if options.database_url is None else _from_here(options.database_url)
    folder = str(Path(options.metrics_dir).absolute()) if options.metrics_dir else options.metrics_dir
    return url, folder


def _from_here(url: str) -> str:
    """A relative SQLite path in a flag is meant from here; in a file it would depend on who starts us."""
    scheme, mark, rest = url.partition(":///")
    if scheme not in {"sqlite", "sqlite+pysqlite"} or rest.startswith(("/", "~", ":memory:", "?")) or not rest:
        return url
    return f"{scheme}{mark}{Path.cwd() / rest}"


def warnings(reading: Reading, url: str) -> Iterator[str]:
    """Given what was read, and the database's URL, yield what makes it unsafe."""
    file = reading.file
    if file.mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield f"{file.path}: others can write to it, and so decide what your node charges and spends; chmod go-w"
    holds_password = has_password(url) and reading.origins.get("database.url") == str(file.path)
    if holds_password and file.mode & stat.S_IROTH:
        yield f"{file.path}: holds a database password and everyone can read it; chmod 600"
    if reading.origins.get("ping.url") == str(file.path) and file.mode & stat.S_IROTH:
        yield f"{file.path}: holds the secret ping.url and everyone can read it; chmod 600"
