"""Small plugins for the nodes of a test: what a hook of lightningd's answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

#: Takes a channel that somebody opens before a block has it.
TRUSTING: Final = """
@plugin.hook("openchannel")
def on_openchannel(openchannel, plugin, **_):
    return {"result": "continue", "mindepth": 0}
"""
#: Neither takes nor fails what is paid to its node; what is to go on goes on.
HOLDING: Final = """
@plugin.async_hook("htlc_accepted")
def on_htlc_accepted(onion, request, plugin, **_):
    if "short_channel_id" in onion:
        request.set_result({"result": "continue"})
"""


def plugin_flag(folder: Path, name: str, *hooks: str) -> str:
    """Write a plugin with these hooks, and return the flag with which lightningd starts it."""
    path = folder / f"{name}.py"
    lines = (f"#!{sys.executable}", "from pyln.client import Plugin", "plugin = Plugin()", *hooks, "plugin.run()", "")
    path.write_text("\n".join(lines), encoding="utf-8")
    path.chmod(0o700)
    return f"--plugin={path}"
