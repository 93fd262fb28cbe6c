"""`python -m tests.docs.regenerate`: make anew what is made from the commands. Tests compare."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import revops
from tests.docs import completions, manual, markdown, settings

ROOT: Final = Path(revops.__file__).parents[1]
SHARE: Final = ROOT / "revops" / "share"
HOW: Final = "run `python -m tests.docs.regenerate` and commit what it makes"


def made() -> Mapping[Path, str]:
    """Return each file's text by its path."""
    return {
        SHARE / "docs" / "commands.md": markdown.page(),
        SHARE / "docs" / "settings.md": settings.page(),
        SHARE / "man" / "revops.1": manual.page(),
        **{SHARE / "completions" / name: completions.source(shell) for shell, name in completions.FILES.items()},
    }


def main() -> None:
    for path, text in made().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
