"""One place turns errors into exit codes; one place gathers options; nothing heavy is loaded for help."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

import revops.cycle
from revops import __version__
from revops.cli import main as main_module
from revops.cli.main import main
from revops.cli.output import Output
from revops.config import ConfigFaults
from revops.domain.options import CommonOptions
from revops.domain.summary import SyncSummary
from revops.errors import DataError, NothingLeft, RevopsError, Terminated
from revops.lock import LockHeld

ROOT = Path(__file__).parents[2]
SUMMARY = SyncSummary(0.0, 1, 2, 3, 4, 5, 6)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class FakeSync:
    """Stands where `revops.cycle.sync` is: remembers its options, then returns or raises."""

    def __init__(self, outcome: object = SUMMARY) -> None:
        self.outcome = outcome
        self.options: list[CommonOptions] = []

    def run(self, options: CommonOptions) -> object:
        self.options.append(options)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.fixture
def sync(monkeypatch):
    def install(outcome: object = SUMMARY) -> FakeSync:
        fake = FakeSync(outcome)
        monkeypatch.setattr(revops.cycle, "sync", fake, raising=False)
        return fake

    return install


def test_success_is_silent_off_a_terminal(sync, capsys):
    sync()
    assert main(["sync"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("arguments", [["sync", "-n"], ["sync", "-v"], ["-n", "sync"]])
def test_who_asks_is_answered(sync, capsys, arguments):
    sync()
    assert main(arguments) == 0
    assert "1 new forward, 2 changed" in capsys.readouterr().out


def test_on_a_terminal_it_speaks_but_for_quiet(sync, monkeypatch):
    sync()
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["sync"]) == 0
    assert "1 new forward," in terminal.getvalue()
    before = terminal.getvalue()
    assert main(["sync", "-q"]) == 0
    assert terminal.getvalue() == before


def test_json_is_one_document_also_with_quiet(sync, capsys):
    sync()
    assert main(["sync", "--json", "-q"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    assert document["command"] == "sync"
    assert document["new_forward_count"] == 1


def test_options_mean_the_same_before_and_after_the_command(sync, tmp_path):
    fake = sync()
    options = [
        "-c",
        "c.toml",
        "--db",
        "sqlite:////x",
        "--metrics-dir",
        "m",
        "-n",
        "-vv",
        "--lock-wait",
        "2",
        "--no-color",
    ]
    assert main([*options, "sync"]) == main(["sync", *options]) == main([*options[:6], "sync", *options[6:]]) == 0
    wanted = CommonOptions(
        config_path=Path("c.toml"), database_url="sqlite:////x", metrics_dir="m", dry_run=True, verbosity=2,
        lock_wait_seconds=2.0, color=False,
    )  # fmt: skip
    assert fake.options == [wanted] * 3


def test_the_defaults_of_the_line(sync):
    fake = sync()
    assert main(["sync"]) == main(["sync", "--metrics-dir", "none"]) == main(["-v", "sync", "-q", "-q"]) == 0
    assert fake.options == [CommonOptions(), CommonOptions(metrics_dir=""), CommonOptions(verbosity=-1)]


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "1e9", "soon"])
def test_lock_wait_is_a_reasonable_number(sync, value, capsys):
    fake = sync()
    assert main(["sync", "--lock-wait", value]) == 2
    assert fake.options == []
    assert "lock-wait" in capsys.readouterr().err


def _subclasses(kind: type[RevopsError]) -> list[type[RevopsError]]:
    return [kind, *(each for sub in kind.__subclasses__() for each in _subclasses(sub))]


@pytest.mark.parametrize("kind", [kind for kind in _subclasses(RevopsError) if kind.__module__ == "revops.errors"])
def test_each_error_has_its_exit_code_and_one_line(sync, capsys, kind):
    sync(kind("went\nwrong \x1b[2J"))
    assert main(["sync"]) == kind.exit_code
    assert capsys.readouterr() == ("", "revops: went\\x0awrong \\x1b[2J\n")


def test_an_error_may_carry_its_own_exit_code(sync):
    error = DataError("x")
    error.exit_code = 77
    sync(error)
    assert main(["sync"]) == 77


def test_every_fault_of_a_configuration_gets_a_line(sync, capsys):
    sync(ConfigFaults(("a: b", "c: d")))
    assert main(["sync"]) == 78
    assert capsys.readouterr().err == "revops: a: b\nrevops: c: d\n"


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (KeyboardInterrupt(), 130),
        (click.exceptions.Abort(), 130),
        (Terminated(), 143),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 74),
        (OSError(errno.EROFS, "Read-only file system", "/x"), 74),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 77),
        (FileNotFoundError(errno.ENOENT, "No such file", "/x"), 70),
        (MemoryError(), 70),
        (RecursionError("deep"), 70),
        (KeyError("oops"), 70),
        (SystemExit(3), 3),
        (SystemExit("text"), 70),
    ],
)
def test_whatever_ends_a_run_has_an_exit_code(sync, monkeypatch, problem, code):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    sync(problem)
    assert main(["sync"]) == code


def test_a_bug_is_one_line_and_a_traceback_only_on_demand(sync, capsys):
    sync(KeyError("oops"))
    assert main(["sync"]) == 70
    error = capsys.readouterr().err
    assert error.startswith("revops: bug: KeyError: 'oops' (test_cli_main.py:")
    assert error.count("\n") == 1
    assert main(["sync", "-v"]) == 70
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_held_lock_is_silent_for_cron_only(sync, capsys, monkeypatch):
    sync(LockHeld("held by 1"))
    assert main(["sync"]) == 75
    assert capsys.readouterr() == ("", "")
    assert main(["sync", "-v"]) == 75
    assert "held by 1" in capsys.readouterr().err
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["sync"]) == 75
    assert "held by 1" in terminal.getvalue()


def test_a_false_predicate_is_silent_with_quiet_only(sync, capsys):
    sync(NothingLeft("nothing"))
    assert main(["sync"]) == 1
    assert capsys.readouterr().err == "revops: nothing\n"
    assert main(["sync", "-q"]) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("arguments", [["--nonsense"], ["nonsense"], ["fees", "nonsense"], ["sync", "extra"], ["fees"]])
def test_usage_errors_are_two(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("typed", "meant"), [(["repot"], "report"), (["fees", "ajust"], "adjust"), (["bugdet"], "budget")]
)
def test_a_misspelt_command_is_told_what_was_meant(capsys, typed, meant):
    assert main(typed) == 2
    assert f"Did you mean '{meant}'?" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_zero_and_on_stdout(capsys, flag):
    assert main([flag]) == main(["fees", flag]) == main(["fees", "adjust", flag]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "Common options:" in out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"revops {__version__}\n"


def test_a_closed_stderr_leaves_the_exit_code(sync, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    sync(DataError("x"))
    assert main(["sync"]) == 65


def process(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.defpath, "HOME": "/nonexistent", "PYTHONPATH": str(ROOT), **more.pop("env", {})}  # type: ignore[dict-item]
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [sys.executable, "-W", "error", "-m", "revops", *arguments],
        text=True, env=environment, timeout=60, check=False, **{"capture_output": True, **more},  # type: ignore[call-overload]
    )  # fmt: skip
    return done


def test_a_configuration_that_may_not_be_read_is_77(tmp_path, monkeypatch, capsys):
    config = tmp_path / "config.toml"
    config.write_text('[node]\nrpc_path = "/x"\n', encoding="utf-8")
    config.chmod(0)
    if os.geteuid() == 0:  # root reads everything: let the system say what it would say to others

        def refuse(self: Path, *_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))

        monkeypatch.setattr(os, "access", lambda *_, **__: False)
        monkeypatch.setattr(Path, "open", refuse)
    assert main(["config", "check", "-c", str(config)]) == 77
    assert capsys.readouterr() == ("", f"revops: {config}: Permission denied\n")


def test_an_empty_path_is_usage(sync, capsys):
    fake = sync()
    assert main(["sync", "-c", ""]) == 2
    assert fake.options == []
    assert "the path is empty" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = process("--help", capture_output=False, stdout=write_end, stderr=subprocess.PIPE)
    finally:
        os.close(write_end)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_under_stdout_is_74(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('[node]\nrpc_path = "/x"\n', encoding="utf-8")
    for line in (["--version"], ["config", "show", "-c", str(config)], ["config", "show", "-v", "-c", str(config)]):
        with Path("/dev/full").open("w") as full:
            done = process(*line, capture_output=False, stdout=full, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (74, "revops: standard output: No space left on device\n")


def test_an_encoding_without_the_character_does_not_end_a_run(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('[node]\nrpc_path = "/x"\nname = "⚡"\n', encoding="utf-8")
    done = process("config", "show", "-c", str(config), env={"PYTHONIOENCODING": "latin-1"})
    assert done.returncode == 0
    assert "\\u26a1" in done.stdout


def signalled(script: str, number: int, *, ignored: bool = False) -> subprocess.CompletedProcess[str]:
    # Set either way: who runs the tests in the background hands an ignored SIGINT down to every process.
    handled = "SIG_IGN" if ignored else "default_int_handler" if number == signal.SIGINT else "SIG_DFL"
    ignore = f"signal.signal({int(number)}, signal.{handled})\n"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import os, signal, sys\nNUMBER = {int(number)}\n{ignore}{script}"],
        env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


IN_A_COMMAND = """
import revops.cycle, revops.__main__ as m
class Sync:
    def run(self, options):
        try: os.kill(os.getpid(), NUMBER)
        finally: print('unwound', file=sys.stderr)
revops.cycle.sync = Sync()
sys.argv = ['revops', 'sync']
sys.exit(m.main())
"""
IN_AN_IMPORT = """
import revops.__main__ as m
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == 'revops.cli.main': os.kill(os.getpid(), NUMBER)
sys.meta_path.insert(0, Finder())
sys.exit(m.main())
"""


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGTERM, 143, "revops: terminated\n"),
        (signal.SIGHUP, 129, "revops: terminated\n"),
        (signal.SIGINT, 130, ""),
    ],
)
def test_a_signal_unwinds_and_has_its_exit_code(number, code, said):
    done = signalled(IN_A_COMMAND, number)
    assert (done.returncode, done.stderr) == (code, f"unwound\n{said}")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_before_the_command_is_there_ends_it_without_a_word(number, code):
    done = signalled(IN_AN_IMPORT, number)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_what_nohup_ignores_stays_ignored():
    done = signalled(IN_A_COMMAND, signal.SIGHUP, ignored=True)
    assert (done.returncode, done.stderr) == (0, "unwound\n")


def test_completion_is_offered():
    done = process(env={"_REVOPS_COMPLETE": "bash_complete", "COMP_WORDS": "revops re", "COMP_CWORD": "1"})
    assert done.returncode == 0
    assert {"plain,rebalance", "plain,report"} <= set(done.stdout.split())


def test_progress_is_for_a_person_on_stderr_only(monkeypatch):
    with Output(CommonOptions()).working() as options:
        assert options.progress is CommonOptions().progress
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Output(CommonOptions()).working() as options:
        options.progress("forwards [red]", 1, 2)
    assert "forwards (red]" in terminal.getvalue()
    with Output(CommonOptions(json=True)).working() as options:
        assert options.progress is CommonOptions().progress


def test_main_never_raises():
    assert main_module.main(["config", "check", "-c", "/nonexistent/config.toml"]) == 78
