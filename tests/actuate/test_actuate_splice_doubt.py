"""`splice run` where the node, its peers, the clock or the wallet say something else than before: nothing is freed that
may still come, and nothing is asked for that may cost more than was reserved.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from revops.domain.reason import ReasonCode
from revops.errors import DataError
from revops.node.errors import NodeError
from revops.node.writer import NodeWriter
from revops.sim.wallet import receive
from tests.actuate.bench import HOUR, NODE_KEY
from tests.actuate.splice_bench import Splices, codes


def test_a_false_name_of_the_transaction_frees_nothing(place: Splices) -> None:
    place.plan()
    place.bench.node.false_reply("dev-splice", {"txid": "ab" * 32})
    with pytest.raises(DataError, match="doesn't list"):
        place.run()
    reserved_msat = place.ledger_msat()[1]
    place.later(HOUR / 10)
    assert codes(place.run()) == [ReasonCode.SPLICE_WAITS]
    assert place.ledger_msat() == (0, reserved_msat)
    place.later()
    assert codes(place.run()) == [ReasonCode.SPLICE_LOCKED]
    assert place.ledger_msat() == (place.booked_msat(), 0)


def test_one_that_was_signed_and_dropped_keeps_its_reservation(place: Splices) -> None:
    """A peer that has our signatures makes lightningd forget the splice, and may send it whenever it likes."""
    place.plan()
    place.run()
    reserved_msat = place.ledger_msat()[1]
    place.bench.node.world.channels[place.wanted].splice = None
    for _ in range(3):
        place.later(24 * HOUR)
        place.plan()
        summary = place.run()
        assert codes(summary)[0] is ReasonCode.SPLICE_DROPPED
        assert summary.jobs[0].status == "in_flight"
        assert place.ledger_msat() == (0, reserved_msat)
    assert len(place.asked()) == 1, "what it spends may be spent already"


def test_a_clock_that_was_behind_makes_no_old_connection_a_new_one(place: Splices) -> None:
    """The node goes on with a splice whose run was killed; its peer has connected since the time that the run saw."""
    place.plan()
    bench, peer_id = place.bench, place.channel(place.wanted)["peer_id"]
    bench.node.disconnect_peer(peer_id)
    place.later(60.0)
    bench.node.connect_peer(peer_id)
    place.later(60.0)
    bench.node.trouble_splice("hangs")
    bench.clock_offset = -2 * HOUR
    with pytest.raises(NodeError):
        place.run()
    bench.clock_offset = 0.0
    place.later(10.0)
    assert codes(place.run()) == [ReasonCode.SPLICE_UNCLEAR]
    assert place.ledger_msat()[1] > 0


@pytest.mark.parametrize("change", ["small coins come", "coins go"])
def test_a_wallet_that_changes_before_the_node_is_asked_stops_it(
    place: Splices, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Each coin that the node draws costs, and its funder lends coins without asking."""
    place.plan()
    world, preview = place.bench.node.world, NodeWriter.preview_splice

    def meanwhile(*arguments: Any) -> tuple[str, ...]:
        for number in range(30 if change == "small coins come" else 0):
            receive(world, f"{64 + number:02x}" * 32, 0, 20_000_000)
        for output in world.outputs if change == "coins go" else ():
            output.reserved_to_height = world.height + 72
        return preview(*arguments)

    monkeypatch.setattr(NodeWriter, "preview_splice", meanwhile)
    expected = ReasonCode.SPLICE_COST_ROSE if change == "small coins come" else ReasonCode.SPLICE_WALLET_SHORT
    assert codes(place.run()) == [expected]
    assert (place.asked(), place.jobs(), place.ledger_msat()) == ([], [("in", "released", None)], (0, 0))


def test_one_that_has_cost_more_than_was_reserved_is_booked_and_told(
    place: Splices, caplog: pytest.LogCaptureFixture
) -> None:
    place.plan()
    worst_msat = place.run().jobs[0].start.worst_msat  # type: ignore[union-attr]  # it was begun
    with place.bench.database.transaction(NODE_KEY) as tx:
        change = "UPDATE splice_job SET start_json = replace(start_json, :was, :is_now)"
        tx.connection.execute(text(change), {"was": f'"worst_msat":{worst_msat}', "is_now": '"worst_msat":1000'})
    place.later()
    assert codes(place.run()) == [ReasonCode.SPLICE_LOCKED]
    assert place.ledger_msat() == (place.booked_msat(), 0)
    assert "more than the 1000 that were reserved" in caplog.text


def test_a_node_that_goes_before_it_is_asked_ends_the_run(place: Splices, monkeypatch: pytest.MonkeyPatch) -> None:
    place.plan()

    def gone(*_: Any) -> None:
        raise NodeError("dev-splice", "the connection dropped")

    with monkeypatch.context() as away:
        away.setattr(NodeWriter, "preview_splice", gone)
        with pytest.raises(NodeError, match="dropped"):
            place.run()
    assert place.jobs() == [("in", "reserved", None)]
    assert codes(place.run()) == [ReasonCode.SPLICE_NEVER_SENT]
    assert (place.asked(), place.ledger_msat()) == ([], (0, 0))
