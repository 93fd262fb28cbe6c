"""`revops clboss` as blocks: what CLBOSS leaves to whom."""

from __future__ import annotations

from collections.abc import Iterator

from revops.domain.clboss import ClbossPeer, ClbossRelease, ClbossStatus
from revops.domain.text import counted, peer_name
from revops.report.amounts import age
from revops.report.blocks import Block, Line, Table

_ABSENT = "CLBOSS isn't running on this node: it has no method clboss-status"
_COMMAND_OF = {"lnfee": "fees.mode", "balance": "rebalance.mode"}


def status(value: ClbossStatus) -> Iterator[Block]:
    """Given what CLBOSS leaves to others, say who asked for it, and what the next run will take."""
    if value.tags:
        yield Line(f"[clboss] unmanage: {', '.join(value.tags)}")
    else:
        yield Line("[clboss] unmanage names nothing: revops asks nothing of CLBOSS")
    for tag in value.idle:
        yield Line(f"{tag} isn't taken as long as {_COMMAND_OF[tag]} isn't \"act\", or nothing is executed")
    if not value.present:
        yield Line(_ABSENT)
    if value.peers:
        headings = ("peer", "unmanaged in CLBOSS", "by revops", "since", "to be taken")
        yield Table("Peers", headings, tuple(_row(peer, value.taken_at) for peer in value.peers))
    elif value.present:
        yield Line("CLBOSS manages all peers")


def _row(peer: ClbossPeer, now: float) -> tuple[str, ...]:
    return (
        peer_name(peer.alias, peer.peer_id),
        ", ".join(peer.unmanaged) or "-",
        ", ".join(peer.ours) or "-",
        "-" if peer.taken_at is None else age(peer.taken_at, now),
        ", ".join(peer.wanted) or "-",
    )


def released(value: ClbossRelease, *, dry_run: bool) -> Iterator[Block]:
    """Given what was given back, or would be, say so."""
    if not value.present:
        yield Line(_ABSENT)
        return
    if not value.changes:
        yield Line("nothing was taken from CLBOSS: there is nothing to give back")
        return
    verb = "would be given back" if dry_run else "given back"
    yield Line(f"{verb} to CLBOSS: {counted(len(value.changes), 'peer')}")
    for change in value.changes:
        peer = peer_name(value.aliases.get(change.peer_id), change.peer_id)
        yield Line(f"{peer}: {', '.join(change.given)}")
    if value.again:
        yield Line(
            f"[clboss] unmanage still names {', '.join(value.again)}: the next run takes it again, unless you remove it"
        )
