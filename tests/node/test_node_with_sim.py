"""Reader and writer against the simulated node, over a real socket, in each supported generation of lightningd."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from revops.domain.channel import Channel
from revops.domain.payment import Hop, Invoice, PaymentStatus
from revops.domain.units import forward_fee_msat
from revops.node.errors import NodeError
from revops.node.reader import NodeReader
from revops.node.rpc import Rpc
from revops.node.version import check_version
from revops.node.writer import NodeWriter
from revops.sim.server import SimServer
from revops.sim.world import SimConfig, SimulatedNode

AMOUNT_MSAT = 50_000_000
FINAL_CLTV_BLOCKS = 22
LAYER = "revops"


@dataclass
class Setup:
    node: SimulatedNode
    path: Path

    def rpc(self, command: str) -> Rpc:
        return Rpc(self.path, command=command, timeout_seconds=30, writes_allowed=True)

    @property
    def reader(self) -> NodeReader:
        return NodeReader(self.rpc("rebalance run"))

    @property
    def writer(self) -> NodeWriter:
        return NodeWriter(self.rpc("rebalance run"))


@pytest.fixture(params=["v25.12", "v26.04.1-modded", "v26.06.6"])
def world(request: pytest.FixtureRequest) -> Iterator[Setup]:
    folder = Path(tempfile.mkdtemp(prefix="fn"))
    node = SimulatedNode(SimConfig(seed=3, version=request.param))
    node.advance_by(86_400)
    node.pause_market()
    with SimServer(node, folder / "rpc"):
        yield Setup(node, folder / "rpc")
    shutil.rmtree(folder)


def test_all_that_sync_reads(world: Setup) -> None:
    reader = NodeReader(world.rpc("sync"))
    info = reader.info()
    assert info.node_id == world.node.node_id
    assert check_version(info.version) is None
    channels = reader.channels()
    assert len(channels) == world.node.config.channel_count
    assert reader.wallet().spendable_msat > 0
    assert reader.feerates(1.0).floor_perkw is not None
    assert reader.peer(channels[0].peer_id).node_id == channels[0].peer_id
    assert reader.closed_channels() == ()
    by_scid = reader.channel_by_scid(channels[0].name)
    assert by_scid is not None
    assert by_scid.channel_id == channels[0].channel_id
    top = reader.top_index("forwards", "created")
    pages = [reader.forwards("created", start, 100) for start in range(1, top + 1, 100)]
    forwards = [forward for page in pages for forward in page]
    assert [forward.created_index for forward in forwards] == list(range(1, top + 1))
    assert all(len(page) == 100 for page in pages[:-1])
    earned = sum(forward.fee_msat or 0 for forward in forwards if forward.status.name == "SETTLED")
    assert earned == info.fees_collected_msat == world.node.books().fees_earned_msat
    assert len(reader.channel_moves(1, 100_000)) == reader.top_index("channelmoves", "created")
    assert len(reader.chain_moves(1, 100_000)) == reader.top_index("chainmoves", "created")
    assert len(reader.node_events(1, 100_000)) == reader.top_index("networkevents", "created")
    assert not world.node.call_log.writing_calls()


def test_a_channel_outlives_its_scid(world: Setup) -> None:
    reader = world.reader
    before = next(channel for channel in reader.channels() if channel.scid is not None)
    world.node.splice_channel(before.channel_id, 100_000)
    after = reader.channel_by_scid(before.name)
    assert after is not None
    assert after.channel_id == before.channel_id
    assert after.scid != before.scid
    world.node.close_channel(before.channel_id)
    assert reader.channel_by_scid(before.name) is None
    assert [closed.channel_id for closed in reader.closed_channels()] == [before.channel_id]


def test_fees(world: Setup) -> None:
    channel = world.reader.channels()[0]
    told = NodeWriter(world.rpc("fees adjust")).set_fees(channel.channel_id, 0, channel.local_terms.fee_ppm + 7)
    assert (told.fee_base_msat, told.fee_ppm) == (0, channel.local_terms.fee_ppm + 7)
    now = next(one for one in world.reader.channels() if one.channel_id == channel.channel_id)
    assert now.local_terms.fee_ppm == told.fee_ppm
    with pytest.raises(NodeError) as caught:
        NodeWriter(world.rpc("fees adjust")).set_fees("ab" * 32, 0, 1)
    assert (caught.value.code, caught.value.outcome_unknown) == (-32602, False)


def circle(world: Setup) -> tuple[Invoice, tuple[Hop, ...]]:
    """An invoice of ours and a route to it, out by one channel and in by another."""
    reader, writer, own_id = world.reader, world.writer, world.node.node_id
    usable = [one for one in reader.channels() if one.usable and one.remote_terms is not None and one.scid]
    source = max(usable, key=lambda one: one.spendable_msat)
    target = max((one for one in usable if one is not source), key=lambda one: one.receivable_msat)
    assert reader.layer_disabled_nodes(LAYER) is None
    writer.create_layer(LAYER)
    writer.disable_node(LAYER, own_id)
    assert reader.layer_disabled_nodes(LAYER) == frozenset({own_id})
    writer.age_layer(LAYER, int(world.node.now_at))
    terms = target.remote_terms
    assert terms is not None
    entering_msat = AMOUNT_MSAT + forward_fee_msat(AMOUNT_MSAT, terms.fee_base_msat, terms.fee_ppm)
    final_blocks = FINAL_CLTV_BLOCKS + terms.cltv_delta_blocks
    path = reader.path(source.peer_id, target.peer_id, entering_msat, 5_000_000, final_blocks, (LAYER,))
    ends = (_end(source), _end(target))
    route = (
        Hop(source.peer_id, *ends[0], path[0].amount_in_msat, path[0].cltv_in_blocks),
        *(Hop(at.node_id_out, at.scid, at.direction, at.amount_out_msat, at.cltv_out_blocks) for at in path),
        Hop(own_id, ends[1][0], 1 - ends[1][1], AMOUNT_MSAT, FINAL_CLTV_BLOCKS),
    )
    return writer.create_invoice("revops-1", AMOUNT_MSAT, "a circle", 3_600), route


def _end(channel: Channel) -> tuple[str, int]:
    assert channel.scid is not None
    assert channel.direction is not None
    return channel.scid, channel.direction


def send(world: Setup) -> Invoice:
    invoice, route = circle(world)
    assert invoice.payment_secret is not None
    sent = world.writer.send_pay(route, invoice.payment_hash, invoice.payment_secret, invoice.label)
    assert (sent.amount_msat, sent.amount_sent_msat) == (AMOUNT_MSAT, route[0].amount_msat)
    return invoice


def test_a_circular_payment(world: Setup) -> None:
    invoice = send(world)
    done = world.reader.wait_payment(invoice.payment_hash, 30)
    assert done.status is PaymentStatus.COMPLETE
    assert done.fee_msat == world.node.books().rebalance_fees_msat
    assert world.reader.payments(invoice.payment_hash) == (done,)
    kept = world.reader.invoice(invoice.label)
    assert kept is not None
    assert kept.status == "paid"
    assert world.writer.delete_invoice(invoice.label) is False


def test_a_payment_that_hangs_is_pending_and_keeps_its_invoice(world: Setup) -> None:
    world.node.hold_payments()
    invoice = send(world)
    assert world.reader.wait_payment(invoice.payment_hash, 1).status is PaymentStatus.PENDING
    assert [payment.status for payment in world.reader.payments(invoice.payment_hash)] == [PaymentStatus.PENDING]


def test_a_payment_that_fails_costs_nothing(world: Setup) -> None:
    world.node.fail_payments()
    invoice = send(world)
    failed = world.reader.wait_payment(invoice.payment_hash, 30)
    assert failed.status is PaymentStatus.FAILED
    assert failed.failure is not None
    assert (failed.failure.code, failed.failure.failcode, failed.failure.at_once) == (204, 4103, False)
    assert failed.failure.erring_scidd is not None
    world.writer.inform_constrained(LAYER, failed.failure.erring_scidd, AMOUNT_MSAT)
    assert world.writer.delete_invoice(invoice.label) is True
    assert world.writer.delete_invoice(invoice.label) is False


def test_a_payment_that_was_never_made(world: Setup) -> None:
    nothing = world.reader.wait_payment("ab" * 32, 1)
    assert (nothing.status, nothing.amount_sent_msat) == (PaymentStatus.FAILED, 0)


def test_no_route_is_a_refusal_with_its_code(world: Setup) -> None:
    first, second = sorted({channel.peer_id for channel in world.reader.channels()})[:2]
    with pytest.raises(NodeError) as caught:
        world.reader.path(first, second, 10**15, 10**12, 18, ())
    assert caught.value.code in {205, 206}


def test_options(world: Setup) -> None:
    assert (world.reader.config_int("cltv-final") or 0) > 0
    assert world.reader.config_int("no-such-option") is None
