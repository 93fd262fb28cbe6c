"""`listforwards`, `listchannelmoves`, `listchainmoves` and `listnetworkevents`: the rows that sync copies, page by
page.
"""

from __future__ import annotations

from typing import Final

from msgspec import to_builtins

from revops.domain.forward import FORWARD_STATUS_OF, ChainMove, ForwardStatus
from revops.domain.ids import is_hex, is_scid
from revops.domain.listed import ChannelMove, Forward
from revops.domain.node import NodeEvent
from revops.node.fields import Fields, unstorable
from revops.node.typed import FailedRow, ForwardRow, MoveRow, OfferedRow, RefusedRow, SettledRow

#: Of a payment hash.
_HASH_DIGITS: Final = 64
_RESOLVED: Final = frozenset({ForwardStatus.SETTLED, ForwardStatus.FAILED})
_NANOSECONDS: Final = 1_000_000_000


def forwards(reply: dict[str, object]) -> tuple[Forward, ...]:
    """Given the reply of `listforwards`, return its rows."""
    rows = reply.get("forwards")
    if isinstance(rows, list) and rows and all(isinstance(row, ForwardRow) for row in rows):
        return _typed_forwards(rows)
    return tuple(_forward(row) for row in Fields("listforwards", reply).rows("forwards"))


def _typed_forwards(rows: list[ForwardRow]) -> tuple[Forward, ...]:
    """Channels are few, and looked at all together. What isn't as it should be is left to `_forward`, which says so."""
    names = {row.in_channel for row in rows} | {row.out_channel for row in rows if row.out_channel is not None}
    valid, settled = all(map(is_scid, names)), ForwardStatus.SETTLED
    return tuple(
        [
            Forward(
                row.created_index, row.updated_index, row.in_channel, row.out_channel, row.in_msat, row.out_msat,
                row.fee_msat, settled, row.received_time, row.resolved_time, row.failcode,
            )
            if valid and isinstance(row, SettledRow)
            else _typed_forward(row, place, valid=valid)
            for place, row in enumerate(rows)
        ]
    )  # fmt: skip


def _typed_forward(row: ForwardRow, place: int, *, valid: bool) -> Forward:
    left, whole = row.out_msat is not None, row.out_channel is not None and row.fee_msat is not None
    if not valid or (left and not whole):
        return _forward(Fields("listforwards", to_builtins(row), f"forwards[{place}]."))
    return Forward(
        row.created_index, row.updated_index, row.in_channel, row.out_channel, row.in_msat, row.out_msat,
        row.fee_msat if left else None, _STATUS_OF[type(row)], row.received_time,
        row.resolved_time if isinstance(row, FailedRow) else None, row.failcode,
    )  # fmt: skip


_STATUS_OF: Final = {
    FailedRow: ForwardStatus.FAILED,
    RefusedRow: ForwardStatus.LOCAL_FAILED,
    OfferedRow: ForwardStatus.OFFERED,
}


def _forward(row: Fields) -> Forward:
    status = FORWARD_STATUS_OF[row.one_of("status", tuple(FORWARD_STATUS_OF))]
    # An exit's amount, fee and channel come together; a settled forward has them, a failed one may.
    left = status is ForwardStatus.SETTLED or "out_msat" in row
    return Forward(
        created_index=row.whole("created_index"),
        updated_index=row.maybe(row.whole, "updated_index"),
        in_scid=row.scid("in_channel"),
        out_scid=row.scid("out_channel") if left else row.maybe(row.scid, "out_channel"),
        in_msat=row.msat("in_msat"),
        out_msat=row.msat("out_msat") if left else None,
        fee_msat=row.msat("fee_msat") if left else None,
        status=status,
        received_at=row.number("received_time"),
        resolved_at=row.number("resolved_time") if status in _RESOLVED else None,
        failcode=row.maybe(row.whole, "failcode"),
    )


def channel_moves(reply: dict[str, object]) -> tuple[ChannelMove, ...]:
    """Given the reply of `listchannelmoves`, return its rows."""
    rows = reply.get("channelmoves")
    if isinstance(rows, list) and rows and all(isinstance(row, MoveRow) for row in rows):
        return _typed_moves(rows)
    return tuple(_channel_move(row) for row in Fields("listchannelmoves", reply).rows("channelmoves"))


def _typed_moves(rows: list[MoveRow]) -> tuple[ChannelMove, ...]:
    """Names and tags are few, and hashes are looked at all together: what isn't as it should be is left to
    `_channel_move`.
    """
    texts = {row.account_id for row in rows} | {row.primary_tag for row in rows}
    hashes = [row.payment_hash for row in rows if row.payment_hash is not None]
    if any(map(unstorable, texts)) or not (set(map(len, hashes)) <= {_HASH_DIGITS} and is_hex("".join(hashes))):
        return tuple(
            _channel_move(Fields("listchannelmoves", to_builtins(row), f"channelmoves[{place}]."))
            for place, row in enumerate(rows)
        )
    return tuple(
        [
            ChannelMove(
                row.created_index, row.account_id, row.credit_msat, row.debit_msat, row.timestamp, row.primary_tag,
                row.payment_hash, row.fees_msat,
            )
            for row in rows
        ]
    )  # fmt: skip


def _channel_move(row: Fields) -> ChannelMove:
    return ChannelMove(
        created_index=row.whole("created_index"),
        account=row.text("account_id"),
        credit_msat=row.msat("credit_msat"),
        debit_msat=row.msat("debit_msat"),
        moved_at=row.whole("timestamp"),
        tag=row.text("primary_tag"),
        payment_hash=row.maybe(row.hash, "payment_hash"),
        fees_msat=row.msat("fees_msat"),
    )


def chain_moves(reply: dict[str, object]) -> tuple[ChainMove, ...]:
    """Given the reply of `listchainmoves`, return its rows."""
    return tuple(_chain_move(row) for row in Fields("listchainmoves", reply).rows("chainmoves"))


def _chain_move(row: Fields) -> ChainMove:
    return ChainMove(
        created_index=row.whole("created_index"),
        account=row.text("account_id"),
        credit_msat=row.msat("credit_msat"),
        debit_msat=row.msat("debit_msat"),
        moved_at=row.whole("timestamp"),
        tag=row.text("primary_tag"),
        extra_tags=row.texts("extra_tags"),
        outpoint=row.text("utxo"),
        spending_txid=row.maybe(row.hash, "spending_txid"),
        output_msat=row.msat("output_msat"),
        blockheight=row.whole("blockheight"),
        output_count=row.maybe(row.whole, "output_count"),
    )


def node_events(reply: dict[str, object]) -> tuple[NodeEvent, ...]:
    """Given the reply of `listnetworkevents`, return its rows. A kind that we don't know is kept as it is."""
    return tuple(_node_event(row) for row in Fields("listnetworkevents", reply).rows("networkevents"))


def _node_event(row: Fields) -> NodeEvent:
    return NodeEvent(
        created_index=row.whole("created_index"),
        peer_id=row.node_id("peer_id"),
        kind=row.text("type"),
        happened_at=row.whole("timestamp"),
        duration_seconds=row.whole("duration_nsec") / _NANOSECONDS if "duration_nsec" in row else None,
    )
