"""CLBOSS beside us: it leaves what we act on, keeps what the operator told it, and gets all of ours back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from revops.cycle import clboss, fees
from revops.domain.clboss import ClbossPeer, ClbossRelease, ClbossStatus
from revops.domain.options import CommonOptions
from revops.errors import RevopsError, UnavailableError, UnknownName
from revops.node.errors import NodeError
from revops.sim.faults import Fault, FaultKind
from revops.store import channels as stored_channels
from tests.actuate.bench import NODE_KEY, Bench, Killed, killing

UNMANAGE = "clboss-unmanage"
GONE_IN_THE_MIDDLE = -4


@pytest.fixture
def shared(bench: Bench) -> Bench:
    """A node on which CLBOSS runs, and leaves fees to us if asked."""
    bench.settings["clboss"] = {"unmanage": ["lnfee"]}
    bench.node.run_clboss()
    return bench


def tags(bench: Bench) -> dict[str, set[str]]:
    """What CLBOSS really doesn't manage."""
    return {peer_id: set(found) for peer_id, found in bench.node.world.clboss_tags.items() if found}


def peers(bench: Bench) -> list[str]:
    rows = bench.node.answer("listpeerchannels", {})["channels"]
    return sorted({row["peer_id"] for row in rows if row["state"] == "CHANNELD_NORMAL"})


def by_hand(bench: Bench, *sets: str) -> dict[str, set[str]]:
    """What the operator has told CLBOSS of the first peers, before us."""
    for peer_id, given in zip(peers(bench), sets, strict=False):
        bench.node.world.clboss_tags[peer_id] = set(given.split(","))
    return tags(bench)


def held(bench: Bench) -> dict[str, str]:
    statement = "SELECT peer_id, tags FROM clboss_tag JOIN peer USING (node_key, peer_key) WHERE returned_at IS NULL"
    return {row.peer_id: row.tags for row in bench.rows(statement)}


def statuses(bench: Bench) -> list[str]:
    return [row.status for row in bench.rows(f"SELECT status FROM action WHERE method = '{UNMANAGE}'")]


def release(bench: Bench, *peer_ids: str) -> ClbossRelease:
    return clboss.release(bench.options, peer_ids, bench.clock)


def status(bench: Bench) -> ClbossStatus:
    return clboss.status(bench.options, bench.clock)


def of(found: ClbossStatus, peer_id: str) -> ClbossPeer:
    (one,) = [peer for peer in found.peers if peer.peer_id == peer_id]
    return one


def test_nothing_is_asked_of_clboss_unless_the_configuration_says_so(shared: Bench) -> None:
    shared.settings["clboss"] = {"unmanage": []}
    shared.fees()
    shared.run()
    assert not [name for name in shared.node.call_log.methods() if name.startswith("clboss")]
    shared.settings["clboss"] = {"unmanage": ["lnfee", "balance"]}
    for section in ("fees", "rebalance"):
        shared.settings[section]["mode"] = "observe"
    shared.fees()
    shared.run()
    assert not [name for name in shared.node.call_log.methods() if name.startswith("clboss")]
    assert set(status(shared).idle) == {"lnfee", "balance"}


def test_a_node_without_clboss_is_priced_as_ever(shared: Bench) -> None:
    shared.node.run_clboss(False)
    shared.fees()
    assert shared.calls("clboss-status") != []
    assert (shared.calls(UNMANAGE), statuses(shared), held(shared)) == ([], [], {})
    found = status(shared)
    assert (found.present, found.peers) == (False, ())
    assert (release(shared).present, release(shared).changes) == (False, ())


def test_what_is_acted_on_is_taken_and_what_the_operator_said_stays(shared: Bench) -> None:
    before = by_hand(shared, "close,open", "lnfee", "balance,lnfee,close")
    shared.fees()
    first, second, third, *others = peers(shared)
    assert tags(shared) == before | {first: {"close", "open", "lnfee"}} | {peer_id: {"lnfee"} for peer_id in others}
    # What was there before isn't ours, and isn't sent again.
    assert held(shared) == dict.fromkeys((first, *others), "lnfee")
    assert {call["nodeid"] for call in shared.calls(UNMANAGE)} == set(held(shared))
    assert {call["tags"] for call in shared.calls(UNMANAGE)} == {"close,lnfee,open", "lnfee"}
    assert set(statuses(shared)) == {"done"}
    count = len(shared.calls(UNMANAGE))
    shared.fees()
    assert len(shared.calls(UNMANAGE)) == count, "there is nothing left to take"
    found = status(shared)
    assert of(found, first) == replace(
        of(found, first), unmanaged=("close", "lnfee", "open"), ours=("lnfee",), wanted=()
    )
    assert (of(found, second).ours, of(found, second).taken_at) == ((), None)
    assert of(found, third).unmanaged == ("balance", "close", "lnfee")


def test_all_of_ours_is_given_back_and_nothing_else(shared: Bench) -> None:
    before = by_hand(shared, "close,open", "lnfee")
    shared.fees()
    first, second, third, *_ = peers(shared)
    # Meanwhile the operator has said more, and taken one back into CLBOSS's care.
    shared.node.world.clboss_tags[first] = {"lnfee", "close"}
    shared.node.world.clboss_tags[third] = set()
    with pytest.raises(UnknownName, match=second):
        release(shared, first, second)
    given = release(shared, first)
    assert [(one.peer_id, one.given, one.outcome) for one in given.changes] == [(first, ("lnfee",), "done")]
    assert given.again == ("lnfee",)
    assert tags(shared)[first] == {"close"}
    calls = len(shared.calls(UNMANAGE))
    release(shared)
    assert tags(shared) == before | {first: {"close"}}
    assert held(shared) == {}
    # Of the third there was nothing to send.
    assert third not in {call["nodeid"] for call in shared.calls(UNMANAGE)[calls:]}
    assert release(shared).changes == ()
    # Taken anew, it counts from then.
    shared.node.advance_by(3_600)
    shared.fees()
    assert of(status(shared), first).taken_at == pytest.approx(shared.clock(), abs=600)


def test_a_peer_is_released_by_the_name_that_tables_show(shared: Bench) -> None:
    shared.fees()
    first, second, *_ = peers(shared)
    with shared.database.transaction(NODE_KEY) as tx:
        shown = stored_channels.aliases(tx)
    assert first in shown
    assert [one.peer_id for one in release(shared, shown[first]).changes] == [first]
    given = release(shared, second[:12])
    assert [one.peer_id for one in given.changes] == [second]
    assert given.aliases == {second: shown[second]}
    with pytest.raises(UnknownName, match="nobody"):
        release(shared, "nobody")
    assert first not in held(shared)
    assert second not in held(shared)


def test_a_refusal_names_the_peer_as_people_know_it(shared: Bench) -> None:
    shared.fees()
    first = sorted(held(shared))[0]
    with shared.database.transaction(NODE_KEY) as tx:
        alias = stored_channels.aliases(tx)[first]
    shared.refuse(UNMANAGE, -32602)
    with pytest.raises(UnavailableError) as refused:
        release(shared)
    assert f"{alias} ({first[:12]}): " in str(refused.value)
    assert first not in str(refused.value)


def test_rebalancing_takes_its_own_tag(shared: Bench) -> None:
    shared.settings["clboss"] = {"unmanage": ["balance", "lnfee"]}
    before = by_hand(shared, "close", "balance")
    shared.run()
    assert tags(shared) == {peer_id: {"balance"} for peer_id in peers(shared)} | {
        peers(shared)[0]: {"close", "balance"}
    }
    shared.fees()
    assert all({"balance", "lnfee"} <= found for found in tags(shared).values())
    assert set(held(shared).values()) == {"balance,lnfee", "lnfee"}
    shared.settings["rebalance"]["executor"] = "none"
    assert status(shared).idle == ("balance",)
    release(shared)
    assert tags(shared) == before


def test_peers_that_rules_keep_us_from_are_left_to_clboss(shared: Bench) -> None:
    shared.settings["clboss"] = {"unmanage": ["balance", "lnfee"]}
    off, neither, *others = peers(shared)
    options = shared.options
    assert options.config_path is not None
    with options.config_path.open("a") as stream:
        stream.write(f'[[rule]]\nname = "off"\nmatch = {{ peer = ["{off}", "{neither}"] }}\nstrategy = "off"\n')
        stream.write("final = false\n")
        stream.write(f'[[rule]]\nname = "none"\nmatch = {{ peer = ["{neither}"] }}\nrebalance = "none"\n')
    found = clboss.status(options, shared.clock)
    wanted = {off: ("balance",)} | dict.fromkeys(others, ("balance", "lnfee"))
    assert {one.peer_id: one.wanted for one in found.peers} == wanted
    fees.run(options, clock=shared.clock)
    assert tags(shared) == {peer_id: {"lnfee"} for peer_id in others}


def test_a_refusal_costs_no_other_peer_its_turn_nor_its_price(shared: Bench) -> None:
    first, second, *_ = peers(shared)
    shared.refuse(UNMANAGE, -32602, "Parameter error: Unknown tag: lnfee", after=1)
    decided = len(shared.rows("SELECT 1 FROM decision"))
    with pytest.raises(
        UnavailableError, match=f"1 peer of {len(peers(shared))}; .*{second[:12]}.*: .*Unknown tag: lnfee"
    ):
        shared.fees()
    assert len(shared.rows("SELECT 1 FROM decision")) > decided
    assert tags(shared) == {peer_id: {"lnfee"} for peer_id in peers(shared) if peer_id != second}
    assert second not in held(shared)
    assert statuses(shared).count("failed") == 1
    shared.fees()
    assert (set(tags(shared)), set(held(shared))) == (set(peers(shared)), set(peers(shared)))
    shared.refuse(UNMANAGE, -32602)
    with pytest.raises(UnavailableError):
        release(shared)
    assert (set(held(shared)), set(tags(shared))) == ({first}, {first})


def test_no_job_runs_while_clboss_will_not_leave_the_channels(shared: Bench) -> None:
    shared.settings["clboss"] = {"unmanage": ["balance"]}
    shared.plan()
    shared.refuse(UNMANAGE, -32602)
    with pytest.raises(UnavailableError, match="CLBOSS didn't do as asked"):
        shared.run()
    assert (shared.job().status, shared.calls("sendpay")) == ("planned", [])
    shared.run()
    assert shared.job().status == "settled"


@pytest.mark.parametrize("kind", [FaultKind.REPLY_LOST, FaultKind.DROP_BEFORE])
def test_a_lost_reply_is_settled_by_what_clboss_lists(shared: Bench, kind: FaultKind) -> None:
    before = by_hand(shared, "close")
    first = peers(shared)[0]
    shared.fault(UNMANAGE, kind)
    with pytest.raises(NodeError) as lost:
        shared.fees()
    assert lost.value.outcome_unknown
    assert statuses(shared) == ["pending"]
    assert of(status(shared), first).ours == ()
    shared.fees()
    assert set(statuses(shared)) == {"done", "failed"} - ({"failed"} if kind is FaultKind.REPLY_LOST else set())
    assert held(shared)[first] == "lnfee"
    shared.fault(UNMANAGE, kind)
    with pytest.raises(NodeError):
        release(shared)
    release(shared)
    assert (tags(shared), held(shared)) == (before, {})


def test_a_plugin_that_ends_in_the_middle_may_have_done_it(shared: Bench) -> None:
    """lightningd's own code for that is a refusal of nobody's."""
    shared.fault(UNMANAGE, Fault(FaultKind.ERROR, code=GONE_IN_THE_MIDDLE, message="Plugin terminated before replying"))
    with pytest.raises(NodeError):
        shared.fees()
    assert statuses(shared) == ["pending"]
    shared.node.world.clboss_tags[peers(shared)[0]] = {"lnfee"}
    shared.fees()
    assert set(held(shared)) == set(peers(shared))


def test_killed_at_any_moment_nothing_of_the_operators_is_lost_and_nothing_of_ours_stays(
    shared: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = by_hand(shared, "close,open", "lnfee", "balance")
    chosen = peers(shared)[:3]
    scope = {row["channel_id"] for row in shared.node.answer("listpeerchannels", {})["channels"]
             if row["peer_id"] in chosen}  # fmt: skip
    options = shared.options

    def take() -> None:
        fees.run(options, channels=sorted(scope), clock=shared.clock)

    def give() -> None:
        clboss.release(options, (), shared.clock)

    def check_taken() -> None:
        assert all("lnfee" in tags(shared)[peer_id] for peer_id in chosen)
        assert set(held(shared)) == set(chosen) - {chosen[1]}

    def check_given() -> None:
        assert tags(shared) == before
        assert held(shared) == {}

    moments = 0
    for act, check in ((take, check_taken), (give, check_given)):
        for at in range(1, 200):
            if act is give and not held(shared):
                take()
            with killing(monkeypatch, at, start_method=UNMANAGE) as killer, suppress(Killed):
                act()
            if not killer.dead:
                break
            moments += 1
            # Whatever was left, the next run of the same command ends as if nothing had happened.
            act()
            check()
            give()
            check_given()
        else:
            pytest.fail("it never came to its end")
        check()
    assert moments > 20
    assert "pending" not in statuses(shared)


def test_a_dry_run_sends_and_records_nothing(shared: Bench) -> None:
    def dry() -> CommonOptions:
        return replace(shared.options, dry_run=True)

    fees.run(dry(), clock=shared.clock)
    assert (shared.calls(UNMANAGE), statuses(shared), held(shared), tags(shared)) == ([], [], {}, {})
    shared.fees()
    taken, calls = tags(shared), len(shared.calls(UNMANAGE))
    given = clboss.release(dry(), (), shared.clock)
    assert {one.peer_id: one.given for one in given.changes} == dict.fromkeys(taken, ("lnfee",))
    assert (tags(shared), len(shared.calls(UNMANAGE))) == (taken, calls)
    assert len(held(shared)) == len(taken)


def test_what_clboss_agrees_to_and_does_not_list_is_not_ours(shared: Bench) -> None:
    shared.node.false_reply("clboss-status", {"unmanaged": {"comment": "hidden"}})
    with pytest.raises(UnavailableError, match="lists something else"):
        shared.fees()
    assert (held(shared), set(statuses(shared))) == ({}, {"failed"})


@pytest.mark.parametrize("unmanaged", ["lnfee", None, {"somebody": "lnfee"}, {"02" + "ab" * 32: ["lnfee"]}])
def test_a_list_that_cannot_be_read_changes_nothing(shared: Bench, unmanaged: object) -> None:
    shared.node.false_reply("clboss-status", {"unmanaged": unmanaged})
    for act in (shared.fees, lambda: release(shared), lambda: status(shared)):
        with pytest.raises(RevopsError, match="clboss-status: field unmanaged") as bad:
            act()
        assert bad.value.exit_code == 65
    assert shared.calls(UNMANAGE) == []


@pytest.mark.parametrize("looks", [1, 2])
def test_clboss_that_goes_away_meanwhile_leaves_no_doubt_behind(shared: Bench, looks: int) -> None:
    """Before the first call there is nothing to take; after it, only its list can tell what came of the call."""
    shared.refuse("clboss-status", -32601, "Unknown command 'clboss-status'", after=looks)
    if looks == 1:
        shared.fees()
        assert statuses(shared) == []
    else:
        with pytest.raises(NodeError, match="CLBOSS is gone"):
            shared.fees()
        assert (statuses(shared), held(shared)) == (["pending"], {})
    shared.fees()
    assert set(held(shared)) == set(peers(shared))
