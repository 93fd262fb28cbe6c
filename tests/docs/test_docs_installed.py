"""The wheel, made from the source distribution, installed beside nothing but what it says it needs, and run there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from email.parser import Parser
from html import unescape
from importlib.metadata import distribution
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

from revops import __version__
from revops.cli.docs import topics
from tests.docs.regenerate import ROOT, SHARE

pytestmark = pytest.mark.timeout(1_200)

DEADLINE_SECONDS: Final = 900.0


def run(line: Sequence[str | Path], cwd: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in line], cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=DEADLINE_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True, slots=True)
class Place:
    """Where the built files are, and an environment in which the wheel is installed."""

    sdist: Path
    wheel: Path
    folder: Path

    @property
    def prefix(self) -> Path:
        return self.folder / "clean"

    def revops(self, *words: str) -> str:
        """Given the words after `revops`, run the installed command as a person without any settings would."""
        environment = {
            "PATH": f"{self.prefix / 'bin'}:{os.defpath}",
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return run([self.prefix / "bin" / "revops", *words], self.folder, environment)


def build(kind: str, source: Path, target: Path) -> Path:
    """Given "sdist" or "wheel" and where the source is, build it into a folder, with no network."""
    run([sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", target], source)
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    pytest.importorskip("hatchling", reason="hatchling isn't installed: pip install '.[test]'")
    folder = tmp_path_factory.mktemp("installed")
    sdist = build("sdist", ROOT, folder / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "source", filter="data")
    wheel = build("wheel", folder / "source" / sdist.name.removesuffix(".tar.gz"), folder / "wheel")
    venv.create(folder / "clean", symlinks=True)
    (site,) = (folder / "clean" / "lib").glob("python*/site-packages")
    for name in needed(wheel):
        link(name, site)
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        folder / "clean" / "bin" / "python",
        "--disable-pip-version-check",
    ]
    run([*pip, "install", "--quiet", "--no-index", "--no-deps", "--no-compile", wheel], folder)
    run([*pip, "check"], folder)
    return Place(sdist, wheel, folder)


def needed(wheel: Path) -> set[str]:
    """Given a wheel, return the names of what it needs without any extra, and of what that needs."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
    waiting = [(Requirement(line), "") for line in Parser().parsestr(text).get_all("Requires-Dist", [])]
    found: set[tuple[str, str]] = set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for one in ("", *requirement.extras):
            if (requirement.name.lower(), one) not in found:
                found.add((requirement.name.lower(), one))
                waiting += [(Requirement(line), one) for line in distribution(requirement.name).requires or ()]
    return {name for name, _ in found}


def link(name: str, site: Path) -> None:
    """Given a package that is installed here, let it be found in another environment, too."""
    installed = distribution(name)
    for top in {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}:
        if not (site / top).exists():
            (site / top).symlink_to(Path(str(installed.locate_file(top))).resolve())


def test_the_wheel_holds_all_that_runs_read(place: Place) -> None:
    package = {path.relative_to(ROOT) for path in (ROOT / "revops").rglob("*") if path.is_file()}
    migrations = {path.relative_to(ROOT) for path in (ROOT / "migrations").rglob("*") if path.is_file()}
    wanted = {path.as_posix() for path in package} | {f"revops/{path.as_posix()}" for path in migrations}
    wanted = {path for path in wanted if "__pycache__" not in path}
    assert len(wanted) > 500
    with zipfile.ZipFile(place.wheel) as archive:
        names = set(archive.namelist())
    assert names >= wanted | {"revops/share/crontab.example"}
    assert {name for name in names if name.startswith("revops/")} == wanted | {"revops/share/crontab.example"}


def test_the_wheel_puts_the_man_page_and_the_completions_where_shells_look(place: Place) -> None:
    share = place.prefix / "share"
    for where, source in {
        "man/man1/revops.1": "man/revops.1",
        "bash-completion/completions/revops": "completions/revops.bash",
        "zsh/site-functions/_revops": "completions/_revops",
        "fish/vendor_completions.d/revops.fish": "completions/revops.fish",
    }.items():
        assert (share / where).read_bytes() == (SHARE / source).read_bytes(), where


def test_the_source_holds_what_its_tests_need(place: Place) -> None:
    with tarfile.open(place.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= {"README.md", "CHANGELOG.md", "LICENSE", "crontab.example", "pyproject.toml", "tests/conftest.py"}
    assert names >= {"tests/bench/judged.json", "migrations/env.py"}


def test_nothing_of_the_tests_is_there(place: Place) -> None:
    said = run([place.prefix / "bin" / "python", "-c", "import revops; print(revops.__file__)"], place.folder)
    assert Path(said.strip()).is_relative_to(place.prefix)
    for name in ("pytest", "hypothesis", "psycopg", "matplotlib", "jinja2"):
        line = [str(place.prefix / "bin" / "python"), "-c", f"import {name}"]
        assert subprocess.run(line, capture_output=True, cwd=place.folder).returncode == 1, name


def test_what_needs_no_node_runs(place: Place) -> None:
    assert place.revops("--version") == f"revops {__version__}\n"
    assert "revops_channel_fee_ppm" in place.revops("metrics", "list")
    assert place.revops("metrics", "dashboard").startswith("{")
    assert "groups:" in place.revops("metrics", "rules")
    assert place.revops("recorder", "path") == f"{place.prefix / 'bin' / 'revops-recorder'}\n"
    for topic, page in topics().items():
        assert place.revops("docs", topic) == page.read_text(encoding="utf-8")


def headings(picture: str) -> list[str]:
    """The headings of the tables in a picture of a terminal: what stands above each rule."""
    spans = re.findall(r'<text class="[^"]*" x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>', picture)
    lines: dict[float, str] = {}
    for _, y, text in spans:
        lines[float(y)] = lines.get(float(y), "") + unescape(text).replace("\xa0", " ")
    ordered = [lines[y].strip() for y in sorted(lines)]
    return [line for line, below in pairwise(ordered) if "─" in below]


def test_the_demo_runs_and_the_picture_in_readme_is_of_such_a_page(place: Place) -> None:
    demo = place.folder / "demo"
    said = place.revops("demo", "--days", "1", "--channels", "8", "--dir", str(demo))
    assert "simulated: 1 day" in said
    assert " NO\n" not in said
    config = ("--config", str(demo / "config.toml"))
    place.revops("db", "check", *config)
    assert f"{place.prefix / 'bin'}" in place.revops("init", "--crontab", *config)
    shown = "".join(place.revops("status", *config).split())
    found = headings((SHARE / "docs" / "status.svg").read_text(encoding="utf-8"))
    assert len(found) >= 3
    for heading in found:
        assert "".join(heading.split()) in shown, "make the pictures anew: python -m tests.docs.picture"
