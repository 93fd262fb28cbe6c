"""The simulated node stands apart: it needs the standard library and itself, nothing else."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import revops.sim.world

FILES = sorted(Path(revops.sim.world.__file__).parent.glob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_it_imports_nothing_else() -> None:
    assert len(FILES) > 20
    for path in FILES:
        for name in imported(path):
            assert name.startswith("revops.sim") or name.split(".")[0] in sys.stdlib_module_names, (
                f"{path.name}: {name}"
            )


def test_no_wall_clock_inside_the_world() -> None:
    users = {path.stem for path in FILES if {"time", "datetime"} & imported(path)}
    assert users == {"ids", "program", "server", "sling_stats"}  # the last writes dates of virtual time
