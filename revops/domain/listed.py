"""Rows of which the node lists millions: forwards (`listforwards`) and the movements of channels (`listchannelmoves`).

They are structs of msgspec, which take a part of the time that a dataclass takes to make; `revops --help` loads none.
"""

from __future__ import annotations

from msgspec import Struct

from revops.domain.forward import ForwardStatus


class Forward(Struct, frozen=True, gc=False):
    """One payment that we passed on, or tried to. `out_*` and `fee_msat` are known only where the node decided on an
    exit.
    """

    created_index: int
    updated_index: int | None
    in_scid: str
    out_scid: str | None
    in_msat: int
    out_msat: int | None
    fee_msat: int | None
    status: ForwardStatus
    received_at: float
    resolved_at: float | None
    failcode: int | None

    @property
    def exit_is_a_wish(self) -> bool:
        """Whether `out_scid` is only what the sender asked for: any stranger may ask for any, as often as he likes."""
        return self.status is ForwardStatus.LOCAL_FAILED and self.out_msat is None


class ChannelMove(Struct, frozen=True, gc=False):
    """One change of a channel's balance (`listchannelmoves`); the account is a channel_id."""

    created_index: int
    account: str
    credit_msat: int
    debit_msat: int
    moved_at: int
    tag: str
    payment_hash: str | None
    fees_msat: int
