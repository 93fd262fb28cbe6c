"""revops/share/docs/settings.md, from the keys of the configuration and what is said of them where they are checked."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from revops.config_schema import keys_of, sections
from revops.config_template import KEY_TEXTS, SECTION_TEXTS, bounds_of, default_of, toml_value

HEAD = """# Settings

Made by `python -m tests.docs.regenerate` from what the configuration is checked by; a test holds it to that.

Every key of the configuration. `revops init` writes the same into the file, commented; `revops config show` prints what
is in force. How the file is found and overridden, and what rules are: [configuration.md](configuration.md).
"""


def page() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield HEAD.rstrip("\n")
    for section in sections():
        yield from ("", f"## [{section}]", "", *textwrap.wrap(SECTION_TEXTS[section], 120), "")
        yield from ("| key | default | admitted | what it is |", "|---|---|---|---|")
        for key, field in keys_of(sections()[section]).items():
            default = "none: it must be given" if field.required else _value(f"{section}.{key}")
            bounds = bounds_of(field.type)
            yield f"| `{key}` | {default} | {_cell(bounds)} | {_cell(KEY_TEXTS[f'{section}.{key}'])} |"


def _value(path: str) -> str:
    default = default_of(path)
    return "not set" if default is None else f"`{_cell(toml_value(default))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
