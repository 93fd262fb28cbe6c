"""`python -m tests.docs.picture`: run the demo, and make the pictures of the documentation from what it shows.

What commands write to a terminal becomes an SVG by rich's own export; what `revops report --html` writes, a PNG by
Chromium. The clock, the seed and the days are fixed, so the same version of revops makes the same pictures.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from tests.docs.regenerate import ROOT, SHARE

#: The demo lives through whole days up to the last midnight (UTC); two minutes later somebody looks.
DEMO_DAYS: Final = 2
MIDNIGHT_AT: Final = 1_795_305_600
LOOKED_AT: Final = MIDNIGHT_AT + 120
COLUMN_COUNT: Final = 94
DEADLINE_SECONDS: Final = 600.0
#: What is typed, by the picture that it makes. The channel is one of the demo's, of which there is something to tell.
TYPED: Final = {"status": ("status",), "explain": ("explain", "223966x870x2")}
REPORT: Final = SHARE / "docs" / "report.png"
#: No font is fetched from anywhere: what the reader's system has.
FORMAT: Final = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "Fira Code, monospace", "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
)


def environment(home: Path) -> dict[str, str]:
    """What a command finds: a clock that stands still, and nothing of this machine's but its programs."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLUMNS": str(COLUMN_COUNT),
        "PYTHONPATH": f"{ROOT / 'tests' / 'e2e' / 'clock'}:{ROOT}",
        "E2E_NOW_AT": str(LOOKED_AT),
    }


def run(home: Path, *words: str) -> str:
    """Given the words after `revops`, run it off a terminal and return what it printed."""
    line = [sys.executable, "-m", "revops", *words]
    done = subprocess.run(
        line, env=environment(home), check=True, text=True, stdout=subprocess.PIPE, timeout=DEADLINE_SECONDS
    )
    return done.stdout


def on_terminal(home: Path, *words: str) -> str:
    """Given the words after `revops`, run it on a terminal of its own and return what that was sent."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "revops", *words], env=environment(home), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    parts = []
    with suppress(OSError):  # Linux says EIO when the last one has closed the other end
        while part := os.read(ours, 65_536):
            parts.append(part)
    os.close(ours)
    assert process.wait(DEADLINE_SECONDS) == 0, b"".join(parts).decode()
    return b"".join(parts).decode().replace("\r\n", "\n")


def svg(command: str, output: str) -> str:
    """Given a command and what it sent to the terminal, return the picture."""
    console = Console(record=True, width=COLUMN_COUNT + 1, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    console.print(Text.from_ansi(output.rstrip("\n")), "", sep="\n")
    drawn = console.export_svg(title="the demo's node", code_format=FORMAT, unique_id="revops")
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def screenshot(page: Path, picture: Path, home: Path) -> None:
    """Given a page, let Chromium draw its beginning."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "chromium isn't on PATH"
    options: Sequence[str] = (
        "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1000,1090",
        f"--user-data-dir={home / 'chromium'}", f"--screenshot={picture}",
    )  # fmt: skip
    subprocess.run([chromium, *options, page.as_uri()], check=True, timeout=DEADLINE_SECONDS, stderr=subprocess.DEVNULL)


def demo(home: Path) -> Path:
    """Run the demo, and return the configuration of its node."""
    run(home, "demo", "--days", str(DEMO_DAYS), "--seed", "1", "--dir", str(home / "demo"))
    return home / "demo" / "config.toml"


def draw(home: Path, config: Path) -> None:
    """Given the demo's configuration, make the pictures of the terminal."""
    for name, words in TYPED.items():
        drawn = svg(f"revops {' '.join(words)}", on_terminal(home, *words, "--config", str(config)))
        (SHARE / "docs" / f"{name}.svg").write_text(drawn, encoding="utf-8")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="revops") as folder:
        home = Path(folder)
        config = demo(home)
        draw(home, config)
        run(home, "report", "--html", str(home / "report.html"), "--last", "7", "--config", str(config))
        screenshot(home / "report.html", REPORT, home)


if __name__ == "__main__":
    main()
