"""Copies of frozen values with some fields changed.

`dataclasses.replace` asks each field of a value anew what kind of field it is, which takes longer than the copy itself;
a decision makes several copies of values with two dozen fields. Here each type is asked once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import replace  # whose arguments mypy checks against the fields
else:
    from dataclasses import fields
    from functools import cache
    from operator import attrgetter

    def replace(value, /, **changes):
        """Given a dataclass all of whose fields are arguments by position, return a copy with these fields changed."""
        read, places = _layout(type(value))
        values = list(read(value))
        for name, changed in changes.items():
            values[places[name]] = changed
        return type(value)(*values)

    @cache
    def _layout(kind):
        """What reads all fields of a type, and the place of each."""
        names = [field.name for field in fields(kind)]
        return attrgetter(*names), {name: place for place, name in enumerate(names)}


__all__ = ["replace"]
