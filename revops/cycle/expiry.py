"""A word to the operator where a payment in flight is about to force a channel onto the chain."""

from __future__ import annotations

import logging

from revops.decide.occupancy import near_expiry
from revops.domain.snapshot import NodeView

_log = logging.getLogger(__name__)


def warn_of_expiry(view: NodeView) -> None:
    """Given the node, log one warning for all channels with an HTLC whose end is near; nothing where there is none."""
    near = near_expiry(view.channels, view.node.blockheight)
    if near:
        name, left_blocks = near[0]
        others = len(near) - 1
        more = f", and on {others} other channel{'s' * (others > 1)}" if others else ""
        end = f"expires in {left_blocks} blocks" if left_blocks > 0 else "has expired"
        _log.warning("an HTLC on %s %s%s: a channel whose HTLC expires is closed by force", name, end, more)
