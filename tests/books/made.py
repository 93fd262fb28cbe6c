"""A made node with a long history: two years of forwards, payments and transactions, all of it drawn from one seed.

It answers as `revops.node.reader.Reader` does, for whatever moment `now_at` says: a test moves that on between two
syncs. Memory grows with the channels, never with the forwards: any page of them is drawn when it is asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from random import Random
from typing import Final

from revops.domain.channel import Channel, ClosedChannel, PeerInfo
from revops.domain.forward import ChainMove, ForwardStatus
from revops.domain.listed import ChannelMove, Forward
from revops.domain.node import Feerates, NodeEvent, NodeInfo, Wallet, WalletOutput
from tests.books.chain import Chain
from tests.books.kept import kept
from tests.books.lives import Life, calm, height_at, make_lives
from tests.books.moves import Moves
from tests.books.payments import Payments
from tests.books.script import play
from tests.books.traffic import OFFERED, SETTLED, Made, Traffic
from tests.books.walk import Walk
from tests.builders import DAY, NOW, make_channel, make_node

EVENTS_PER_CHANNEL: Final = 20
_STATUS: Final = tuple(ForwardStatus(number) for number in range(4))


class MadeNode:
    """A node of so many channels, closed ones among them, that was paid to pass on `forward_count` payments, a multiple
    of 10, in so many days until NOW. `routed=False` leaves the forwards' rows out of the ledger of moves.
    """

    def __init__(
        self, seed: int, channel_count: int, forward_count: int, days: int = 730, *, routed: bool = True
    ) -> None:
        self.seed, self.days = seed, days
        self.began_at = NOW - days * DAY
        self.now_at = NOW
        #: Settled forwards that were resolved before are listed no more, as after autoclean; None: all are.
        self.cleaned_before_at: float | None = None
        rng = Random(seed)
        self.lives: list[Life] = make_lives(rng, seed, channel_count, self.began_at)
        self.payments = Payments(rng, seed, self.lives)
        self._chain = Chain(rng, seed, self.began_at, self._moved)
        steps = play(rng, self._chain, self.lives, self.began_at, calm(self.began_at))
        first_at = NOW - 0.98 * days * DAY
        self.traffic = Traffic(seed, self.lives, forward_count, first_at, NOW)
        self._walk = Walk(self.traffic)
        for step in steps:
            step()
        self.chain_rows = self._chain.rows()
        self._moves = Moves(self.lives, self.traffic, self.payments, routed=routed)
        self._indexes: OrderedDict[int, dict[int, int]] = OrderedDict()

    @property
    def drawn_msat(self) -> dict[str, int]:
        """The fee of each transaction of ours, by txid."""
        return self._chain.drawn

    def _moved(self, at: float) -> list[int]:
        return [one + other for one, other in zip(self._walk.at(at)[0], self.payments.net(at), strict=True)]

    def balances_msat(self) -> dict[str, int]:
        """What is ours in each channel now, by channel_id."""
        moved = self._moved(self.now_at)
        found = {life.channel_id: moved[life.number] for life in self.lives}
        for row in self._known_chain():
            if row.account in found:
                found[row.account] += row.credit_msat - row.debit_msat
        return found

    def _known_chain(self) -> list[ChainMove]:
        return [row for row in self.chain_rows if row.moved_at <= self.now_at]

    # ---- what the node says of itself

    def info(self) -> NodeInfo:
        return make_node(
            blockheight=height_at(self.now_at, self.began_at), fees_collected_msat=self._walk.at(self.now_at)[1]
        )

    def channels(self) -> tuple[Channel, ...]:
        balances = self.balances_msat()
        return tuple(self._channel(life, balances[life.channel_id]) for life in self._open())

    def _open(self) -> list[Life]:
        return [life for life in self.lives if life.open_at(self.now_at)]

    def _channel(self, life: Life, local_msat: int) -> Channel:
        return make_channel(
            life.number,
            channel_id=life.channel_id,
            peer_id=life.peer_id,
            scid=life.scid_at(self.now_at),
            alias_local=life.alias_local,
            opener=life.opener,
            capacity_msat=life.capacity_at(self.now_at),
            local_msat=local_msat,
            opened_at=life.opened_at,
            fee_ppm=life.fee_ppm,
        )

    def channel_by_scid(self, scid: str) -> Channel | None:
        for life in self._open():
            if scid == life.alias_local or any(scid == name for _, name in life.names):
                return self._channel(life, self.balances_msat()[life.channel_id])
        return None

    def closed_channels(self) -> tuple[ClosedChannel, ...]:
        return tuple(
            ClosedChannel(
                channel_id=life.channel_id,
                peer_id=life.peer_id,
                scid=life.scid_at(life.closed_at),
                alias_local=life.alias_local,
                opener=life.opener,
                closer="local" if life.closing.startswith("ours") else "remote",
                close_cause="user" if life.closing.startswith("ours") else "remote",
                capacity_msat=life.capacity_at(life.closed_at),
                final_local_msat=self._chain.final_msat[life.number],
                last_stable_connection_at=life.closed_at,
            )
            for life in self.lives
            if life.closed_at is not None and life.closed_at <= self.now_at
        )

    def peer(self, node_id: str) -> PeerInfo:
        return PeerInfo(node_id, f"peer {node_id[-4:]}")

    def wallet(self) -> Wallet:
        outputs: dict[str, int] = {}
        for row in self._known_chain():
            if row.account == "wallet" and row.credit_msat:
                outputs[row.outpoint] = row.credit_msat
            elif row.account == "wallet":
                del outputs[row.outpoint]
        return Wallet(
            tuple(WalletOutput(outpoint, msat, "confirmed", reserved=False) for outpoint, msat in outputs.items())
        )

    def feerates(self, sampled_at: float) -> Feerates:
        return Feerates(sampled_at, 253, 500, 500, 1_000, 1_000, 1_000, 500)

    # ---- its lists

    def top_index(self, subsystem: str, index: str) -> int:
        if subsystem == "forwards":
            by = self.traffic.created_by if index == "created" else self.traffic.resolved_by
            return by(self.now_at)
        if subsystem == "channelmoves":
            return self._moves.count_by(self.now_at)
        if subsystem == "chainmoves":
            return len(self._known_chain())
        return int(self._event_count * min((self.now_at - self.began_at) / (NOW - self.began_at), 1.0))

    def made(self, index: str, start: int, limit: int) -> Iterator[tuple[Made, int, int | None]]:
        """The forwards that a page lists, as they were drawn: each with its status now and its updated_index."""
        listed = self._created(start) if index == "created" else self._updated(start)
        for _ in range(limit):
            row = next(listed, None)
            if row is None:
                return
            yield row

    def _created(self, start: int) -> Iterator[tuple[Made, int, int | None]]:
        traffic, top = self.traffic, self.traffic.created_by(self.now_at)
        place = max(start, 1) - 1
        while place < top:
            block = place // traffic.size
            rows, indexes = traffic.own(block)[0], self._updated_indexes(block)
            for row in rows[place % traffic.size : top - block * traffic.size]:
                if row.resolved_at is None:
                    yield row, row.status, None
                elif row.resolved_at > self.now_at:
                    yield row, OFFERED, None
                elif not self._cleaned(row):
                    yield row, row.status, indexes[row.created_index]
            place = (block + 1) * traffic.size

    def _updated(self, start: int) -> Iterator[tuple[Made, int, int | None]]:
        traffic, top = self.traffic, self.traffic.resolved_by(self.now_at)
        place = max(start, 1) - 1
        while place < top:
            block = traffic.resolving_block(place)
            first = traffic.resolved_before(block)
            rows = traffic.resolved(block)
            for at, row in enumerate(rows[place - first : top - first], place - first):
                if not self._cleaned(row):
                    yield row, row.status, first + at + 1
            place = first + len(rows)

    def _cleaned(self, row: Made) -> bool:
        until_at = self.cleaned_before_at
        return until_at is not None and row.status == SETTLED and (row.resolved_at or 0.0) < until_at

    def _updated_indexes(self, block: int) -> dict[int, int]:
        return kept(self._indexes, block, self.traffic.updated_indexes)

    def forwards(self, index: str, start: int, limit: int) -> tuple[Forward, ...]:
        return tuple(
            Forward(row.created_index, updated, row.in_name, row.out_name, row.in_msat, row.out_msat,
                    row.fee_msat, _STATUS[status], row.received_at, None if status == OFFERED else row.resolved_at,
                    row.failcode)
            for row, status, updated in self.made(index, start, limit)
        )  # fmt: skip

    def channel_moves(self, start: int, limit: int) -> tuple[ChannelMove, ...]:
        return self._moves.page(start, limit, self.now_at)

    def chain_moves(self, start: int, limit: int) -> tuple[ChainMove, ...]:
        return tuple(self._known_chain()[start - 1 : start - 1 + limit])

    def node_events(self, start: int, limit: int) -> tuple[NodeEvent, ...]:
        end = min(self.top_index("networkevents", "created"), start + limit - 1)
        step = (NOW - self.began_at) / max(self._event_count, 1)
        return tuple(
            NodeEvent(index, self.lives[index // 2 % len(self.lives)].peer_id,
                      ("connect", "disconnect")[index % 2], int(self.began_at + index * step), 1.0)
            for index in range(start, end + 1)
        )  # fmt: skip

    @property
    def _event_count(self) -> int:
        return EVENTS_PER_CHANNEL * len(self.lives)
