"""The completion files, by click's own templates."""

from __future__ import annotations

from typing import Final

from click.shell_completion import get_completion_class

from revops.cli.main import cli

#: The name of the file by shell, as each shell looks for it.
FILES: Final = {"bash": "revops.bash", "zsh": "_revops", "fish": "revops.fish"}


def source(shell: str) -> str:
    """Given a shell, return the file for it."""
    kind = get_completion_class(shell)
    assert kind is not None, shell
    completion = kind(cli, {}, "revops", "_REVOPS_COMPLETE")
    # Not `source()`: bash's asks a bash for its version before.
    return (completion.source_template % completion.source_vars()).strip() + "\n"
