"""`clboss-status` and `clboss-unmanage`: what the plugin CLBOSS leaves to others (Boss/Mod/UnmanagedManager.cpp).

The status has an object `unmanaged` with a comment and, for each peer that isn't wholly managed, its tags in one text.
"""

from __future__ import annotations

import re
from typing import Final

from revops.domain.clboss import Tags
from revops.domain.ids import is_node_id
from revops.node.fields import Fields

_COMMENT: Final = "comment"
_TAG: Final = re.compile(r"[a-z]+")


def unmanaged(reply: dict[str, object]) -> dict[str, Tags]:
    """Given the reply of `clboss-status`, return what each peer_id is unmanaged in."""
    found: dict[str, Tags] = {}
    row = Fields("clboss-status", reply).child("unmanaged")
    for name in row.values:
        if name == _COMMENT:
            continue
        if not is_node_id(name):
            raise row.wrong(name[:80], "is not a node id")
        tags = frozenset(tag.strip() for tag in row.text(name).split(",")) - {""}
        if not all(_TAG.fullmatch(tag) for tag in tags):
            raise row.wrong(name, "is not a list of tags")
        if tags:
            found[name] = tags
    return found


def tags_text(tags: Tags) -> str:
    """Given tags, return them as `clboss-unmanage` takes them: it knows no space after a comma."""
    return ",".join(sorted(tags))
