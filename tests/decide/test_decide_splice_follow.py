"""What becomes of a splice that was begun: each state of the node, after a run that ended anywhere, has one answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.splice.follow import PATIENCE_SECONDS, Evidence, Verdict, follow, matches, mismatch
from revops.domain.channel import Channel, SpliceInFlight
from revops.domain.reason import ReasonCode
from revops.domain.splice import SpliceDirection, SpliceJob, SpliceStart, SpliceTerms
from revops.errors import DataError
from tests.builders import NOW, SAT, channel_id, make_channel

OLD, OURS, OTHER = "aa" * 32, "bb" * 32, "cc" * 32
CAPACITY_MSAT = 5_000_000 * SAT
START = SpliceStart(NOW, OLD, CAPACITY_MSAT, 300_000, 1_000, 1_500, 2_046_000)
TERMS = SpliceTerms(1, 5_000_000, 9, 90, 1_500, 1_500_000, 2_000, 3_546_000, 7.5)
IN, OUT = SpliceDirection.IN, SpliceDirection.OUT


def job(status: str = "sending", direction: SpliceDirection = IN, **changed: Any) -> SpliceJob:
    base = SpliceJob(
        1, 1, channel_id(1), direction, 300_000, 2_000, 3_546_000, 1, TERMS, status, NOW - 60, NOW + 3_600,
        reserve_key=1, start=START, txid=OURS if status == "in_flight" else None,
    )  # fmt: skip
    return replace(base, **changed)


def state(**changed: Any) -> Channel:
    base = make_channel(1, capacity_msat=CAPACITY_MSAT, funding_txid=OLD)
    return replace(base, **changed)


def flight(txid: str, amount_sat: int) -> SpliceInFlight:
    return SpliceInFlight(txid, amount_sat * SAT, 0, CAPACITY_MSAT + amount_sat * SAT)


def waiting(txid: str = OURS, amount_sat: int = 300_000) -> Channel:
    return state(state="CHANNELD_AWAITING_SPLICE", splices=(flight(txid, amount_sat),))


def locked(txid: str = OURS, grown_sat: int = 300_000) -> Channel:
    return state(funding_txid=txid, capacity_msat=CAPACITY_MSAT + grown_sat * SAT)


def told(
    one: SpliceJob,
    now: Channel | None,
    *,
    after: float = 60.0,
    again: bool = False,
    refused: bool = False,
    **costs: int,
) -> Verdict:
    found = {{"ours": OURS, "other": OTHER, "old": OLD}[name]: cost_msat for name, cost_msat in costs.items()}
    return follow(one, Evidence(now, found, again, NOW + after, refused))


@pytest.mark.parametrize(
    ("one", "now", "more", "status", "code"),
    [
        (job("reserved"), state(), {}, "released", ReasonCode.SPLICE_NEVER_SENT),
        (job("reserved"), None, {}, "released", ReasonCode.SPLICE_NEVER_SENT),
        # asked, and the answer never noted
        (job(), waiting(), {}, "in_flight", ReasonCode.SPLICE_WAITS),
        (job(), locked(), {}, "in_flight", ReasonCode.SPLICE_UNBOOKED),
        (job(), locked(), {"ours": 1_500_000}, "settled", ReasonCode.SPLICE_LOCKED),
        (job(), state(), {}, "sending", ReasonCode.SPLICE_UNCLEAR),
        (job(), state(connected=False), {"after": 9e9}, "sending", ReasonCode.SPLICE_UNCLEAR),
        (job(), state(), {"again": True}, "failed", ReasonCode.SPLICE_NOT_MADE),
        (job(), waiting(amount_sat=300_001), {}, "sending", ReasonCode.SPLICE_UNCLEAR),
        (job(), state(), {"refused": True}, "failed", ReasonCode.SPLICE_NOT_MADE),
        (job(), state(state="CHANNELD_SHUTTING_DOWN"), {"refused": True}, "failed", ReasonCode.SPLICE_NOT_MADE),
        # its state says that some splice was signed, so ours may have been
        (job(), state(state="CHANNELD_AWAITING_SPLICE"), {"again": True}, "sending", ReasonCode.SPLICE_UNCLEAR),
        (job(), state(state="CHANNELD_AWAITING_SPLICE"), {"refused": True}, "sending", ReasonCode.SPLICE_UNCLEAR),
        (job(), waiting(amount_sat=0), {"again": True}, "sending", ReasonCode.SPLICE_UNCLEAR),
        (job(), state(state="ONCHAIN"), {"again": True}, "sending", ReasonCode.SPLICE_UNCLEAR),
        # listed, and not signed
        (job(), replace(waiting(), state="CHANNELD_NORMAL"), {}, "sending", ReasonCode.SPLICE_UNCLEAR),
        (job(), locked(OTHER, 7), {}, "sending", ReasonCode.SPLICE_UNBOOKED),
        (job(), locked(OTHER, 7), {"other": 0}, "failed", ReasonCode.SPLICE_NOT_MADE),
        (job(), None, {"ours": 1_500_000}, "settled", ReasonCode.SPLICE_LOCKED),
        (job(), None, {}, "settled", ReasonCode.SPLICE_ASSUMED),
        (job(), None, {"old": 700_000, "other": 0}, "settled", ReasonCode.SPLICE_ASSUMED),
        # the peer put in funds of its own, or another splice of the peer's came after ours
        (job(), locked(OURS, 900_000), {"ours": 1_500_000}, "settled", ReasonCode.SPLICE_LOCKED),
        (job(), locked(OTHER, 7), {"old": 1, "ours": 1_500_000, "other": 0}, "settled", ReasonCode.SPLICE_LOCKED),
        # its transaction is known
        (job("in_flight"), waiting(), {"again": True, "after": 9e9}, "in_flight", ReasonCode.SPLICE_WAITS),
        (job("in_flight"), locked(), {}, "in_flight", ReasonCode.SPLICE_UNBOOKED),
        (job("in_flight"), locked(), {"ours": 1_500_000}, "settled", ReasonCode.SPLICE_LOCKED),
        (job("in_flight"), locked(OTHER, 9), {"ours": 1_500_000}, "settled", ReasonCode.SPLICE_LOCKED),
        (job("in_flight"), locked(OTHER, 9), {}, "failed", ReasonCode.SPLICE_OVERTAKEN),
        # signed, and let go of: the peer may still send it
        (job("in_flight"), state(), {"again": True, "after": 9e9}, "in_flight", ReasonCode.SPLICE_DROPPED),
        (job("in_flight"), state(state="ONCHAIN"), {}, "in_flight", ReasonCode.SPLICE_DROPPED),
        (job("in_flight"), state(funding_txid=None), {}, "in_flight", ReasonCode.SPLICE_DROPPED),
        # the name that the node said isn't the one that it lists
        (job("in_flight", txid=OTHER), waiting(), {}, "in_flight", ReasonCode.SPLICE_WAITS),
        (job("in_flight", txid=OTHER), locked(), {}, "in_flight", ReasonCode.SPLICE_UNBOOKED),
        (job("in_flight", txid=OTHER), locked(), {"ours": 1_500_000}, "settled", ReasonCode.SPLICE_LOCKED),
        (job("in_flight"), None, {"ours": 1_500_000}, "settled", ReasonCode.SPLICE_LOCKED),
        (job("in_flight"), None, {}, "settled", ReasonCode.SPLICE_ASSUMED),
    ],
)
def test_each_state_has_its_answer(
    one: SpliceJob, now: Channel | None, more: dict[str, Any], status: str, code: ReasonCode
) -> None:
    verdict = told(one, now, **more)
    assert (verdict.status, verdict.reason.code) == (status, code)
    assert verdict.reason.sentence
    heard = verdict.reason.code is not ReasonCode.SPLICE_ASSUMED or one.status == "in_flight"
    assert (verdict.txid == OURS) == ((heard and status in {"in_flight", "settled"}) or one.status == "in_flight")
    if status == "settled":
        assert verdict.cost_msat == more.get("ours", START.worst_msat)


def test_a_negotiation_that_hangs_is_ended_by_a_new_connection_and_not_before_its_time() -> None:
    assert [told(job(), state(), after=after).reconnect for after in (0, PATIENCE_SECONDS - 1, PATIENCE_SECONDS)] == [
        False, False, True,
    ]  # fmt: skip
    assert not told(job(), state(connected=False), after=PATIENCE_SECONDS).reconnect
    assert not told(job(), waiting(), after=PATIENCE_SECONDS).reconnect
    unsigned = replace(waiting(), state="CHANNELD_NORMAL")
    assert told(job(), unsigned, after=PATIENCE_SECONDS).reconnect
    assert not told(job(), unsigned, after=PATIENCE_SECONDS, again=True).reconnect, "once is enough"
    assert not told(job("in_flight"), waiting(), after=PATIENCE_SECONDS).reconnect


@pytest.mark.parametrize(
    ("direction", "amount_sat", "ours"),
    [
        (IN, 300_000, True),
        (IN, 299_999, False),
        (IN, -300_000, False),
        (OUT, -300_000, True),
        (OUT, -302_046, True),  # with all that it may cost
        (OUT, -302_047, False),
        (OUT, -299_999, False),
        (OUT, 300_000, False),
    ],
)
def test_ours_is_told_by_its_amount(direction: SpliceDirection, amount_sat: int, ours: bool) -> None:
    assert matches(direction, START, amount_sat * SAT) is ours
    assert (mismatch(job(direction=direction), START, flight(OURS, amount_sat)) is None) is ours


def test_what_the_node_doesnt_list_is_a_mismatch() -> None:
    assert "doesn't list" in str(mismatch(job(), START, None))


@pytest.mark.parametrize("lacking", [{"start": None}, {"status": "in_flight", "txid": None}])
def test_a_record_that_lacks_what_it_promises_is_refused(lacking: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="splice 1"):
        follow(job(**lacking), Evidence(state(), {}, False, NOW))


states = st.one_of(
    st.none(),
    st.builds(
        lambda name, funding, grown, inflight, connected: state(
            state=name,
            funding_txid=funding,
            capacity_msat=CAPACITY_MSAT + grown * SAT,
            splices=inflight,
            connected=connected,
        ),
        st.sampled_from(["CHANNELD_NORMAL", "CHANNELD_AWAITING_SPLICE", "ONCHAIN"]),
        st.sampled_from([OLD, OURS, OTHER]),
        st.sampled_from([0, 300_000, -300_500, 7]),
        st.lists(
            st.builds(flight, st.sampled_from([OURS, OTHER]), st.sampled_from([300_000, -300_500, 0])), max_size=2
        ).map(tuple),
        st.booleans(),
    ),
)


@given(
    st.sampled_from(["sending", "in_flight"]), st.sampled_from([IN, OUT]), states, st.booleans(), st.booleans(),
    st.floats(0, 1e8),
)  # fmt: skip
def test_nothing_is_freed_that_may_still_come(
    status: str, direction: SpliceDirection, now: Channel | None, booked: bool, again: bool, after: float
) -> None:
    one = job(status, direction)
    costs_msat = {OTHER: 0} | ({OURS: 1_500_000} if booked else {})
    verdict = follow(one, Evidence(now, costs_msat, again, NOW + after))
    assert verdict.status in {"sending", "in_flight", "settled", "failed"}
    if verdict.status != "failed":
        return
    assert now is not None, "nobody knows what it cost"
    assert not any(found.txid == one.txid for found in now.splices), "it is listed, and waits for its depth"
    assert not (now.funding_txid == OURS and status == "in_flight"), "it funds the channel"
    assert not booked or now.funding_txid == OLD, "it has cost something"
    if now.funding_txid == OLD:
        assert status == "sending", "it is signed, and nothing else spends what it spends"
        assert again, "the negotiation may be going on"
        assert now.state == "CHANNELD_NORMAL", "something was signed"
