"""The long lists, read straight into rows: most of what a sync waits for is JSON.

This is a short cut, never another rule: a reply that isn't plainly as it should be is read field by field
(`fields.py`), which says what is wrong with it, or that nothing is. So what stands here may only be stricter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta, MsgspecError, Struct
from msgspec.json import Decoder

from revops.domain.units import MAX_MSAT

_Whole = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Msat = Annotated[int, Meta(ge=0, le=MAX_MSAT)]
_Instant = Annotated[float, Meta(ge=0, le=2**62)]


class ForwardRow(Struct, gc=False, kw_only=True, omit_defaults=True, tag_field="status"):
    """A row of `listforwards`, by the node's own names. What each status must have stands in its own type."""

    created_index: _Whole
    in_channel: str
    in_msat: _Msat
    received_time: _Instant
    updated_index: _Whole | None = None
    out_channel: str | None = None
    out_msat: _Msat | None = None
    fee_msat: _Msat | None = None
    failcode: _Whole | None = None


class SettledRow(ForwardRow, gc=False, kw_only=True, omit_defaults=True, tag="settled"):
    """One that went through."""

    out_channel: str
    out_msat: _Msat
    fee_msat: _Msat
    resolved_time: _Instant


class FailedRow(ForwardRow, gc=False, kw_only=True, omit_defaults=True, tag="failed"):
    """One that failed beyond us."""

    resolved_time: _Instant


class RefusedRow(ForwardRow, gc=False, omit_defaults=True, tag="local_failed"):
    """One that failed with us."""


class OfferedRow(ForwardRow, gc=False, omit_defaults=True, tag="offered"):
    """One that is under way."""


class MoveRow(Struct, gc=False, omit_defaults=True):
    """A row of `listchannelmoves`, by the node's own names."""

    created_index: _Whole
    account_id: str
    credit_msat: _Msat
    debit_msat: _Msat
    timestamp: _Whole
    primary_tag: str
    fees_msat: _Msat
    payment_hash: str | None = None


class _Forwards(Struct):
    forwards: list[SettledRow | FailedRow | RefusedRow | OfferedRow]


class _Moves(Struct):
    channelmoves: list[MoveRow]


class _ForwardsReply(Struct, forbid_unknown_fields=True):
    """With anything else in it, an error above all, it is no such reply."""

    id: str
    result: _Forwards
    jsonrpc: str = ""


class _MovesReply(Struct, forbid_unknown_fields=True):
    id: str
    result: _Moves
    jsonrpc: str = ""


Reply = _ForwardsReply | _MovesReply
_DECODERS: Final[Mapping[str, Decoder[Reply]]] = {
    "listforwards": Decoder(_ForwardsReply),
    "listchannelmoves": Decoder(_MovesReply),
}


def typed_reply(method: str, reply: bytes | bytearray) -> dict[str, object] | None:
    """Given a method and the bytes of a reply, return its object, with a list of rows in its result; None where that
    isn't one of these lists, or not one that is plainly right.
    """
    decoder = _DECODERS.get(method)
    if decoder is None or not reply.isascii():  # what nobody reads isn't looked at, else
        return None
    try:
        found = decoder.decode(reply)
    except MsgspecError:
        return None
    result: dict[str, object] = {name: getattr(found.result, name) for name in found.result.__struct_fields__}
    return {"id": found.id, "result": result}
