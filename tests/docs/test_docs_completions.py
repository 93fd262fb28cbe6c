"""The completion files do in a shell what they are for."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.docs.completions import FILES
from tests.docs.regenerate import ROOT, SHARE

PROMPT: Final = "ready>"


class Shell:
    """An interactive bash on a terminal of its own, which finds `revops` on PATH."""

    def __init__(self, folder: Path) -> None:
        program = folder / "revops"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m revops "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        (folder / "rc").write_text(f"PS1='{PROMPT}'\n", encoding="utf-8")
        environment = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
        }
        self._terminal, theirs = pty.openpty()
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--rcfile", str(folder / "rc"), "-i"],
            env=environment, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.answer()

    def answer(self) -> str:
        """Return what it says until it prompts."""
        said = b""
        while not said.endswith(PROMPT.encode()):
            said += os.read(self._terminal, 65_536)
        return said.decode().replace("\r\n", "\n").removesuffix(PROMPT)

    def type(self, keys: str) -> str:
        """Given keys, press them and Return; return what it says."""
        os.write(self._terminal, f"{keys}\n".encode())
        return self.answer()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    if shutil.which("bash") is None:
        pytest.skip("no bash on PATH")
    bash = Shell(tmp_path)
    yield bash
    bash.close()


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ("revops rep\t--help", "Usage: revops report [OPTIONS]"),
        ("revops report pe\t--help", "Usage: revops report peers [OPTIONS]"),
        ("revops docs --pa\t", "/share/docs\n"),
        ("revops docs fe\t--path", "/share/docs/fees.md"),
    ],
    ids=["command", "subcommand", "option", "page"],
)
def test_bash_completes(shell: Shell, keys: str, wanted: str) -> None:
    assert wanted not in shell.type(keys.replace("\t", "")), "it doesn't need completing"
    assert shell.type(f"source {SHARE / 'completions' / FILES['bash']}; echo $?").endswith("0\n")
    assert wanted in shell.type(keys)


@pytest.mark.parametrize("name", FILES)
def test_the_shell_finds_no_fault(name: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"no {name} on PATH")
    done = subprocess.run([name, "-n", SHARE / "completions" / FILES[name]], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
