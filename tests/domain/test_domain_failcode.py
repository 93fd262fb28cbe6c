"""Failure codes: the numbers and names of BOLT 4, and a meaning for each."""

from __future__ import annotations

import pytest

from revops.domain.failcode import FAILCODES, failcode_of
from revops.domain.forward import ForwardStatus
from revops.sim.rows import FAIL_CODES

FAILED, REFUSED = ForwardStatus.FAILED, ForwardStatus.LOCAL_FAILED

#: As BOLT 4 lists them, by number without flags, and the flags.
BOLT_4 = {
    8194: "temporary_node_failure", 24578: "permanent_node_failure", 24579: "required_node_feature_missing",
    49156: "invalid_onion_version", 49157: "invalid_onion_hmac", 49158: "invalid_onion_key",
    4103: "temporary_channel_failure", 16392: "permanent_channel_failure", 16393: "required_channel_feature_missing",
    16394: "unknown_next_peer", 4107: "amount_below_minimum", 4108: "fee_insufficient", 4109: "incorrect_cltv_expiry",
    4110: "expiry_too_soon", 16399: "incorrect_or_unknown_payment_details", 18: "final_incorrect_cltv_expiry",
    19: "final_incorrect_htlc_amount", 4116: "channel_disabled", 21: "expiry_too_far", 16406: "invalid_onion_payload",
    23: "mpp_timeout", 49176: "invalid_onion_blinding",
}  # fmt: skip
#: What earlier versions of it had.
WITHDRAWN = {16385: "invalid_realm", 16400: "incorrect_payment_amount", 17: "final_expiry_too_soon"}


def test_codes_are_those_of_bolt_4() -> None:
    assert {code: one.name for code, one in FAILCODES.items()} == BOLT_4 | WITHDRAWN


def test_names_are_those_that_lightningd_prints() -> None:
    for code, name in FAIL_CODES.items():
        assert f"WIRE_{failcode_of(REFUSED, code).name.upper()}" == name


@pytest.mark.parametrize("status", [FAILED, REFUSED])
@pytest.mark.parametrize("code", [0, 1, 99, 2**31 - 1, *FAILCODES])
def test_each_has_a_meaning(status: ForwardStatus, code: int) -> None:
    one = failcode_of(status, code)
    assert one.name
    assert one.meaning
    assert len(one.name) <= 40


def test_who_gives_it_matters() -> None:
    assert "only the sender can read" in failcode_of(FAILED, 0).meaning
    assert failcode_of(REFUSED, 0).name == "not recorded"
    assert failcode_of(FAILED, 49157).meaning == "the next node couldn't read the onion"
    assert failcode_of(REFUSED, 49157).meaning == "the onion was malformed"
    assert "to the chain with it" in failcode_of(FAILED, 16392).meaning
    assert failcode_of(REFUSED, 12345).name == "code 12345"
