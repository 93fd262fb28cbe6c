"""What an onion failure code means, and what an operator can do about it.

Codes and names are BOLT 4's ("Failure Messages"): flags (BADONION 0x8000, PERM 0x4000, NODE 0x2000, UPDATE 0x1000) and
a number. When lightningd gives which to a forward follows from its `lightningd/peer_htlcs.c`: a channel that can't take
an HTLC in its state is an unknown next peer, one whose peer is away a temporary channel failure, and a node that is
behind the chain a temporary node failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from revops.domain.forward import ForwardStatus

_BADONION, _PERM, _NODE, _UPDATE = 0x8000, 0x4000, 0x2000, 0x1000
#: The failcode of failures of which no code is known.
NOT_TOLD: Final = 0


@dataclass(frozen=True, slots=True)
class Failcode:
    """A code's name in BOLT 4, what it means where this node gives it, and what helps ("": nothing, or nothing is to
    be done).
    """

    name: str
    meaning: str
    remedy: str = ""


_BAD_ONION: Final = "the onion was malformed"
_FEATURE: Final = "the sender left out a feature that is required here"
_FINAL: Final = "it was meant for this node, and didn't fit any invoice of its"

FAILCODES: Final = {
    _PERM | 1: Failcode("invalid_realm", _BAD_ONION),
    _NODE | 2: Failcode(
        "temporary_node_failure", "this node was still syncing with the chain", "see what keeps bitcoind behind"
    ),
    _PERM | _NODE | 2: Failcode("permanent_node_failure", "this node couldn't forward at all", "see lightningd's log"),
    _PERM | _NODE | 3: Failcode("required_node_feature_missing", _FEATURE),
    _BADONION | _PERM | 4: Failcode("invalid_onion_version", _BAD_ONION),
    _BADONION | _PERM | 5: Failcode("invalid_onion_hmac", _BAD_ONION),
    _BADONION | _PERM | 6: Failcode("invalid_onion_key", _BAD_ONION),
    _UPDATE | 7: Failcode(
        "temporary_channel_failure",
        "not enough liquidity at the moment, more than its htlc_max, no HTLC slot free, or the peer was away",
        "refill it or let it cost more, where it pays; `revops report peers` shows who is away",
    ),
    _PERM | 8: Failcode("permanent_channel_failure", "the channel was closing, or had gone to the chain"),
    _PERM | 9: Failcode("required_channel_feature_missing", _FEATURE),
    _PERM | 10: Failcode(
        "unknown_next_peer",
        "no such channel here, or one that is opening or closing; often a probe",
        "where a channel of yours is named, see its state",
    ),
    _UPDATE | 11: Failcode(
        "amount_below_minimum", "less than the channel's htlc_min", "lower htlc_min, if you want it"
    ),
    _UPDATE | 12: Failcode(
        "fee_insufficient",
        "the sender paid less than is asked, as it hadn't heard of the fee yet",
        "where it is common, change fees less often (fees.min_interval_seconds)",
    ),
    _UPDATE | 13: Failcode("incorrect_cltv_expiry", "less time than the channel's cltv_delta; usual after it changed"),
    _UPDATE | 14: Failcode(
        "expiry_too_soon", "too few blocks were left to claim it safely", "see that the node is in sync with the chain"
    ),
    _PERM | 15: Failcode("incorrect_or_unknown_payment_details", _FINAL),
    _PERM | 16: Failcode("incorrect_payment_amount", _FINAL),
    17: Failcode("final_expiry_too_soon", _FINAL),
    18: Failcode("final_incorrect_cltv_expiry", _FINAL),
    19: Failcode("final_incorrect_htlc_amount", _FINAL),
    _UPDATE | 20: Failcode("channel_disabled", "the channel was disabled", "see whether its peer is connected"),
    21: Failcode("expiry_too_far", "it would have been held for too many blocks"),
    _PERM | 22: Failcode("invalid_onion_payload", "the sender's instructions were incomplete, or not understood"),
    23: Failcode("mpp_timeout", _FINAL),
    _BADONION | _PERM | 24: Failcode(
        "invalid_onion_blinding", "it came by a blinded path, where every cause is told alike"
    ),
}

_SEALED: Final = Failcode(
    "not told",
    "a node after us refused it; only the sender can read why",
    "where it is most of them, see how the peer does: `revops report peers`",
)
_UNRECORDED: Final = Failcode("not recorded", "the node gave no code, or it was summarised before codes were kept")


def failcode_of(status: ForwardStatus, code: int) -> Failcode:
    """Given a forward's status (`FAILED`: beyond us, `LOCAL_FAILED`: by us) and its code (0: none), return what is
    known of it, also of a code that BOLT 4 doesn't have.
    """
    beyond = status is ForwardStatus.FAILED
    if code == NOT_TOLD:
        return _SEALED if beyond else _UNRECORDED
    known = FAILCODES.get(code, Failcode(f"code {code}", "BOLT 4 has no such code"))
    if beyond and known.name in _BY_THE_NEXT:
        return Failcode(known.name, _BY_THE_NEXT[known.name])
    return known


#: What such a code means where the payment had been passed on already.
_BY_THE_NEXT: Final = {
    "permanent_channel_failure": "the channel went to the chain with it",
    **{one.name: "the next node couldn't read the onion" for one in FAILCODES.values() if one.meaning == _BAD_ONION},
}
