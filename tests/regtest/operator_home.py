"""An operator of alice's node: a home of their own, the configuration that `revops init` wrote there, and commands.

Each command is a process of its own, as under cron. The database is read with sqlite3, past all of our own code.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import revops

COMMAND_SECONDS = 120.0
#: A lightningd that came out after this version of revops is worth a warning, and no reason to fail here.
NEWER = "is newer than any that revops was tested with"
#: What only decisions and money write to; a sync leaves these tables alone.
DECISION_TABLES = (
    "run", "decision", "decision_tally", "action", "fee_state", "fee_change", "rebalance_plan", "rebalance_job",
    "spend_ledger", "ledger_head", "forward_day",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Its JSON."""
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed


@dataclass
class Operator:
    """`settings` are variables that override the configuration, by "section.key"."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.metrics_dir.mkdir(parents=True, exist_ok=True)

    @property
    def config_path(self) -> Path:
        """The configuration."""
        return self.home / "config.toml"

    @property
    def metrics_dir(self) -> Path:
        """Where node_exporter would look."""
        return self.home / "metrics"

    @property
    def database_path(self) -> Path:
        """The records, where `init` puts them when nobody says."""
        return self.home / ".local" / "state" / "revops" / "revops.sqlite3"

    def run(self, *arguments: str) -> Ran:
        """Given a command line, run it."""
        process = self._popen(arguments)
        with process:
            try:
                out, err = process.communicate(timeout=COMMAND_SECONDS)
            except BaseException:
                process.kill()
                raise
        said = "".join(line for line in err.splitlines(keepends=True) if NEWER not in line)
        return Ran(process.returncode, out, said)

    @contextmanager
    def start(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Given a command line, start it; it is ended with the body at the latest."""
        with self._popen(arguments) as process:
            try:
                yield process
            finally:
                process.kill()

    def _popen(self, arguments: Sequence[str]) -> subprocess.Popen[str]:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(Path(revops.__file__).parents[1]),
            "REVOPS_CONFIG": str(self.config_path),
            "REVOPS_METRICS_TEXTFILE_DIR": str(self.metrics_dir),
        }
        for name, value in self.settings.items():
            environment[f"REVOPS_{name.replace('.', '_').upper()}"] = value
        return subprocess.Popen(
            [sys.executable, "-m", "revops", *arguments], cwd=self.home, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def cron(self, *arguments: str) -> None:
        """Given a line of the crontab, run it. Fail unless it succeeds in silence."""
        ran = self.run(*arguments)
        assert (ran.code, ran.out, ran.err) == (0, "", ""), (arguments, ran)

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Given a command line, run it with --json and return the document. Fail unless that is all it says."""
        ran = self.run(*arguments, "--json")
        assert (ran.code, ran.err) == (code, ""), (arguments, ran)
        return ran.document

    def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """Given SQL and its arguments, return the rows of the database."""
        with closing(sqlite3.connect(f"file:{self.database_path}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, arguments)]

    def know_payments(self, last_index: int) -> None:
        """Take the node's payments up to one as those of other tests: else they are strays, which are booked here."""
        with closing(sqlite3.connect(self.database_path)) as database, database:
            database.execute("INSERT OR REPLACE INTO cursor VALUES (1, 'sendpays_known', ?)", (last_index,))

    def decided(self) -> dict[str, list[dict[str, Any]]]:
        """Return all that decisions and money have written."""
        return {table: self.rows(f"SELECT * FROM {table}") for table in DECISION_TABLES}

    def metrics(self) -> dict[str, str]:
        """Return the metrics files by name."""
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(self.metrics_dir.iterdir())}

    def metric(self, name: str) -> int:
        """Given a metric of the node without further labels, return its value."""
        for text in self.metrics().values():
            found = re.search(rf'^{name}{{node="[^"]*"}} (\S+)$', text, re.MULTILINE)
            if found:
                return int(float(found[1]))
        raise AssertionError(f"no metric {name} in {self.metrics_dir}")
