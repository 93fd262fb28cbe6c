"""Which tags CLBOSS should leave to us, of which peers: those that we act on, and no other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from revops.domain.clboss import Tags, Unmanaged
from revops.domain.policy import ClbossTag, Config


@dataclass(frozen=True, slots=True)
class Interest:
    """What we do with a channel: whether its fee is ours to set, and whether it may take part in rebalances."""

    peer_id: str
    priced: bool
    rebalanced: bool


def idle_tags(config: Config) -> tuple[ClbossTag, ...]:
    """Given the configuration, return the tags that it names in vain: their command sends nothing."""
    acting = {
        "lnfee": config.fees.mode == "act",
        "balance": config.rebalance.mode == "act" and config.rebalance.executor != "none",
    }
    return tuple(tag for tag in config.clboss.unmanage if not acting[tag])


def wanted_tags(config: Config, interests: Iterable[Interest]) -> dict[str, Tags]:
    """Given the configuration and what we do with each channel, return what CLBOSS should leave to us of each peer_id.

    CLBOSS goes by peers: where one channel of a peer is ours to price, it must leave all of them.
    """
    named = set(config.clboss.unmanage) - set(idle_tags(config))
    found: dict[str, set[str]] = defaultdict(set)
    for one in interests:
        if one.priced:
            found[one.peer_id] |= named & {"lnfee"}
        if one.rebalanced:
            found[one.peer_id] |= named & {"balance"}
    return {peer_id: frozenset(tags) for peer_id, tags in found.items() if tags}


def missing_tags(wanted: Unmanaged, unmanaged: Unmanaged) -> dict[str, Tags]:
    """Given what should be left to us and what CLBOSS leaves to others, return what is to be taken."""
    lacking = {peer_id: tags - unmanaged.get(peer_id, frozenset()) for peer_id, tags in wanted.items()}
    return {peer_id: tags for peer_id, tags in lacking.items() if tags}
