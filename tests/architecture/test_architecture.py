"""The rules of the design a machine can check: directions of import, sizes, one place that prints, lazy imports."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from revops.cli.main import cli
from revops.errors import EXIT_CODES, RevopsError

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "revops"
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 400
MANY_LINES = 250
HEAVY = {"sqlalchemy", "alembic", "pyln", "rich", "tabulate", "prometheus_client", "msgspec", "jinja2", "matplotlib"}
LAYERS = ["domain", "node", "store", "metrics", "decide", "actuate", "report", "cycle", "cli", "sim"]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_imports_go_one_way():
    done = python("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert f"Contracts: {len(contracts)} kept, 0 broken." in done.stdout


def test_every_layer_exists():
    """A contract about a package without modules would hold whatever anybody writes."""
    assert {layer for layer in LAYERS if list((PACKAGE / layer).glob("*.py"))} == set(LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_are_short_and_say_what_they_are(path):
    text = path.read_text(encoding="utf-8")
    count = len(text.splitlines())
    assert count <= MOST_LINES, f"{count} lines: split it"
    if count > MANY_LINES:
        print(f"{name_of(path)} has {count} lines, more than {MANY_LINES}")
    assert ast.get_docstring(ast.parse(text)), "a module opens with a docstring that says its place"


def prints_in(tree: ast.Module) -> Iterator[int]:
    """Calls that write to a terminal: print, click.echo and its kin, sys.stdout/stderr.write, a rich Console."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if re.fullmatch(
            r"print|click\.(echo|secho|echo_via_pager)|sys\.(__)?std(out|err)(__)?\..*write.*|.*Console", called
        ):
            yield node.lineno


def test_only_one_module_prints():
    found = {name_of(path) for path in MODULES if list(prints_in(ast.parse(path.read_text(encoding="utf-8"))))}
    # The simulated node can also be a process of its own, which says on stdout when its socket answers; the companion
    # plugin is one, which says what it is to who calls it by hand.
    assert found - {"revops/sim/program.py", "revops/recorder/plugin.py"} == {"revops/cli/output.py"}


@pytest.mark.parametrize("line", ["print(1)", "click.echo(1)", "sys.stdout.write('')", "sys.stderr.buffer.write(b'')"])
def test_the_search_for_prints_finds_them(line):
    assert list(prints_in(ast.parse(line))) == [1]


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(command)
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, (*path, name))


COMMANDS = dict(commands(cli))


def does_something(command: click.Command) -> bool:
    """Whether a command is more than the name of others."""
    return not isinstance(command, click.Group) or command.invoke_without_command


def test_the_commands_are_those_of_the_design():
    assert {" ".join(path) for path, command in COMMANDS.items() if does_something(command)} >= {
        "init", "sync", "fees adjust", "rebalance plan", "rebalance run", "rollup", "budget check", "report",
        "report peers",
        "config check", "config show", "db upgrade", "db check", "db backup", "demo", "simulate",
    }  # fmt: skip


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_and_option_has_help(path):
    command = COMMANDS[path]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.name} has no help"


@pytest.mark.parametrize("path", [path for path, each in COMMANDS.items() if does_something(each)], ids=" ".join)
def test_every_command_takes_the_common_options(path):
    flags = {flag for parameter in COMMANDS[path].params for flag in parameter.opts}
    assert flags >= {
        "--config", "--db", "--metrics-dir", "--dry-run", "-n", "--json", "-v", "-q", "--lock-wait", "--no-color",
    }  # fmt: skip


#: Runs a command line, then says on stderr which of the heavy packages it has loaded.
SPY = (
    "import sys\n"
    "from revops.cli.main import main\n"
    "code = main(sys.argv[1:])\n"
    "loaded = {name.partition('.')[0] for name in sys.modules}\n"
    f"print(*sorted(loaded & {HEAVY!r}), file=sys.stderr)\n"
    "sys.exit(code)\n"
)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_loads_nothing_heavy(path):
    done = python("-c", SPY, *path, "--help")
    assert (done.returncode, done.stderr) == (0, "\n")
    assert done.stdout.startswith(f"Usage: {' '.join(('revops', *path))}")


@pytest.mark.parametrize("arguments", [["--version"], ["fees", "ajust"], []], ids=str)
def test_neither_does_the_version_or_a_slip_of_the_pen(arguments):
    done = python("-c", SPY, *arguments)
    assert done.stderr.endswith("\n")
    assert not set(done.stderr.splitlines()[-1].split()) & HEAVY


def test_the_spy_sees_what_is_loaded():
    done = python("-c", SPY, "config", "check", "--config", "/nonexistent/config.toml")
    assert done.returncode == 78
    assert done.stderr.splitlines()[-1] == "msgspec"


def subclasses(kind: type[RevopsError]) -> Iterator[type[RevopsError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from subclasses(each)


def test_every_exit_code_has_its_meaning():
    assert {kind.exit_code for kind in subclasses(RevopsError)} <= set(EXIT_CODES)


def test_the_readme_has_the_table_of_exit_codes():
    """One row a code: | 75 | try again later: ... |, in the words of `errors.EXIT_CODES`, and no other row."""
    readme = ROOT / "README.md"
    assert readme.is_file(), "README.md is missing; it documents the exit codes"
    rows = re.findall(r"(?m)^\|\s*`?(\d+)`?\s*\|\s*(.+?)\s*\|", readme.read_text(encoding="utf-8"))
    documented = {int(code): meaning for code, meaning in rows}
    assert documented == EXIT_CODES
