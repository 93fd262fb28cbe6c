"""The two methods of the plugin CLBOSS that say what it doesn't manage (Boss/Mod/UnmanagedManager.cpp).

CLBOSS itself isn't simulated here: it opens, closes and prices nothing. What `clboss-status` tells besides is left out.
"""

from __future__ import annotations

import re
from typing import Any

from revops.sim.errors import INVALID_PARAMS, SimRpcError
from revops.sim.state import World

Args = dict[str, Any]

#: The tags that its modules register; `balance` came in 0.13.
KNOWN_TAGS = frozenset({"lnfee", "open", "close", "balance"})
_NODE_ID = re.compile(r"0[23][0-9a-f]{64}")


def status(world: World, args: Args) -> dict[str, Any]:
    """Answer clboss-status: a peer that is wholly managed isn't listed."""
    listed = {peer_id: ", ".join(sorted(tags)) for peer_id, tags in sorted(world.clboss_tags.items()) if tags}
    comment = "Use 'clboss-unmanage' to disable management of some nodes."
    return {"internet": {"connection": "online"}, "unmanaged": {"comment": comment, **listed}}


def unmanage(world: World, args: Args) -> dict[str, Any]:
    """Answer clboss-unmanage: the set that is given takes the place of the one before. Nothing is trimmed: a space
    after a comma belongs to the tag.
    """
    if not _NODE_ID.fullmatch(args["nodeid"]):
        raise SimRpcError(INVALID_PARAMS, "Parameter error: Not a valid node ID.")
    tags = {tag for tag in args["tags"].split(",") if tag}
    for tag in sorted(tags):
        if tag not in KNOWN_TAGS:
            raise SimRpcError(INVALID_PARAMS, f"Parameter error: Unknown tag: {tag}")
    world.clboss_tags[args["nodeid"]] = tags
    return {}
