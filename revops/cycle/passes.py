"""The passes over the node's lists: what is new of each, a few pages with their cursor in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Final, Protocol, TypeVar

from revops.cycle.pages import PAGE_SIZE, PAGES_AT_ONCE, Place, is_listed, reached
from revops.decide.chain_costs import chain_costs
from revops.decide.scoring import score_forwards
from revops.domain.listed import Forward
from revops.domain.options import Progress
from revops.domain.traffic import FinalForward, Lesson
from revops.errors import DataError
from revops.node.reader import Reader, Subsystem
from revops.store import cursors, events, forgotten, forwards, moves, resumed, scids, signals
from revops.store.chain_costs import rebook, unsettled_txids
from revops.store.closes import final_txids, unbooked_txids
from revops.store.engine import Database, Tx
from revops.store.faults import UNSPENT


class _Indexed(Protocol):
    @property
    def created_index(self) -> int: ...


Row = TypeVar("Row", bound=_Indexed)

CREATED: Final[Place] = ("forwards", "created")
UPDATED: Final[Place] = ("forwards", "updated")
#: Each list of the node that is read by index. The cursor of one goes by both names: "forwards_created".
LISTS: Final[tuple[Place, ...]] = (
    CREATED,
    UPDATED,
    ("channelmoves", "created"),
    ("chainmoves", "created"),
    ("networkevents", "created"),
)


def _cursor_name(place: Place) -> str:
    return "_".join(place)


def _read_tops(reader: Reader) -> dict[Place, int]:
    """How far each list of the node reaches now."""
    return {(subsystem, index): reader.top_index(subsystem, index) for subsystem, index in LISTS}


def _refuse_restored(tops: Mapping[Place, int], read: Mapping[Place, int]) -> None:
    for place, cursor in read.items():
        if tops[place] < cursor:
            raise DataError(
                f"wait {place[0]}: the node's {place[1]} index is {tops[place]}, but {cursor} rows were read before: "
                "the node's database was restored from a backup. Nothing was written; move this database away and "
                f"start a new one; {UNSPENT}: set [budget] to what may still be spent"
            )


class Passes:
    """The passes over the node's lists, with their counts.

    `tops` is how far each list reaches, `read` how far it was read: the cursors, which nobody else moves while this run
    holds the lock. `stored` is what of forwards was stored last. `opening` names, by txid, the channels that a
    transaction funds.
    """

    def __init__(
        self,
        database: Database,
        node_key: int,
        reader: Reader,
        clock: Callable[[], float],
        progress: Progress,
        opening: Mapping[str, Collection[str]],
    ) -> None:
        self.database = database
        self.node_key = node_key
        self.reader = reader
        self.clock = clock
        self.progress = progress
        self.opening = opening
        self.tops = _read_tops(reader)
        with database.read(node_key) as tx:
            read = cursors.cursors(tx)
        self.read = {place: read.get(_cursor_name(place), 0) for place in LISTS}
        _refuse_restored(self.tops, self.read)
        self.stored: dict[int, Forward] = {}
        #: Where the last run stopped reading, until it is known whether anything is missing there.
        self.resumed_after: int | None = self.read[CREATED] or None
        self.new_count = 0
        self.changed_count = 0
        self.move_count = 0
        self.event_count = 0

    def forwards(self) -> None:
        """Both passes; on the very first sync `updated` starts where it stood before the `created` pass."""
        if self.read[CREATED] == 0 and self.read[UPDATED] == 0:
            begun = self.tops[UPDATED]
            if begun > 0 and is_listed(self.reader, "updated", begun):
                with self.database.transaction(self.node_key) as tx:
                    self._move_cursor(tx, UPDATED, begun)
        self._pass_over(CREATED)
        if self.resumed_after is not None and self.resumed_after < self.tops[CREATED]:
            with self.database.transaction(self.node_key) as tx:
                self._note_gap(tx, (), self.tops[CREATED])
        self._pass_over(UPDATED)

    def again(self) -> None:
        """Both passes once more, up to where the node is by now."""
        for place in (CREATED, UPDATED):
            self.tops[place] = self.reader.top_index(*place)
        self._pass_over(CREATED)
        self._pass_over(UPDATED)

    def _pass_over(self, place: Place) -> None:
        """Read all pages of forwards after the cursor. Most of what the `created` pass has just stored comes again by
        `updated`, as it was: that isn't looked at twice.
        """
        index, more = place[1], True
        while more and self.read[place] < self.tops[place]:
            page, read_to, more = self._read(place, partial(self.reader.forwards, index), f"{index}_index")
            rows = [row for row in page if self.stored.get(row.created_index) != row]
            self._resolve(rows)
            if page:
                with self.database.transaction(self.node_key) as tx:
                    seen_at = self.clock()
                    count = forwards.ingest(tx, rows, seen_at, partial(score_page, tx, seen_at))
                    self._move_cursor(tx, place, read_to)
                    if place == CREATED:
                        self._note_gap(tx, rows)
                self.stored = {row.created_index: row for row in page}
                self.new_count += count.inserted
                self.changed_count += count.updated
            self._tell(f"forwards ({index})", place, more=more)

    def _note_gap(self, tx: Tx, rows: Sequence[Forward], top: int | None = None) -> None:
        after = self.resumed_after
        if after is not None and resumed.note_gap(tx, after, rows, self.clock(), top):
            self.resumed_after = None

    def _read(
        self, place: Place, read: Callable[[int, int], Sequence[Row]], index_name: str
    ) -> tuple[list[Row], int, bool]:
        """Read some pages after the cursor; return their rows, how far the list was read with them, and whether there
        may be more. What belongs into one transaction is read before it begins.

        Raise DataError for a row without the index by which it was listed.
        """
        index_of = attrgetter(index_name)
        rows: list[Row] = []
        read_to, more = self.read[place], True
        for _ in range(PAGES_AT_ONCE):
            page = read(read_to + 1, PAGE_SIZE)
            indexes = list(map(index_of, page))
            if None in indexes:
                number = page[indexes.index(None)].created_index
                raise DataError(f"list{place[0]}: row {number} came by index={place[1]} without an {index_name}")
            read_to, self.tops[place] = reached(self.reader, place, read_to, indexes, self.tops[place])
            rows += page
            more = len(page) >= PAGE_SIZE
            if not more or read_to >= self.tops[place]:
                break
        return rows, read_to, more

    def _tell(self, what: str, place: Place, *, more: bool) -> None:
        """A page that isn't full is the last, whatever gaps deleted rows have left above it."""
        top = self.tops[place]
        self.progress(what, min(self.read[place], top) if more else top, top)

    def _move_cursor(self, tx: Tx, place: Place, value: int) -> None:
        cursors.set_cursor(tx, _cursor_name(place), value)
        self.read[place] = value

    def moves(self) -> None:
        """The node's own ledger of channel and chain moves, and its peers' comings and goings."""
        book = partial(chain_costs, opening=self.opening)
        self.move_count += self._plain("channelmoves", self.reader.channel_moves, moves.ingest_channel_moves)
        ingest_chain = partial(moves.ingest_chain_moves, book=book)
        self.move_count += self._plain("chainmoves", self.reader.chain_moves, ingest_chain)
        self.event_count += self._plain("networkevents", self.reader.node_events, events.ingest_events)
        with self.database.transaction(self.node_key) as tx:
            # Only now: the rows of one transaction may be in different pages.
            final = final_txids(tx)
            rebook(tx, {*unsettled_txids(tx), *(unbooked_txids(tx) & final)}, partial(book, final=final))

    def forgotten(self) -> None:
        """Add up the forwards that only the ledger knows. All that are listed were copied once more after the moves."""
        forgotten.find(lambda: self.database.transaction(self.node_key), self.clock())

    def _plain(
        self,
        subsystem: Subsystem,
        read: Callable[[int, int], Sequence[Row]],
        ingest: Callable[[Tx, Sequence[Row]], object],
    ) -> int:
        """One pass over a list whose rows never change; return how many were read."""
        place: Place = (subsystem, "created")
        count, more = 0, True
        while more and self.read[place] < self.tops[place]:
            rows, read_to, more = self._read(place, read, "created_index")
            if rows:
                with self.database.transaction(self.node_key) as tx:
                    ingest(tx, rows)
                    self._move_cursor(tx, place, read_to)
            count += len(rows)
            self._tell(subsystem, place, more=more)
        return count

    def _resolve(self, page: Sequence[Forward]) -> None:
        """Find the channels of scids that are new to us: the node still knows those from before a splice. What a
        sender merely asked for is looked for nowhere, or he could fill the records with names that he made up.
        """
        named = {row.in_scid for row in page}
        named |= {row.out_scid for row in page if row.out_scid is not None and not row.exit_is_a_wish}
        if not named:
            return
        with self.database.read(self.node_key) as tx:
            unknown = scids.unknown_scids(tx, sorted(named))
        found = {scid: self.reader.channel_by_scid(scid) for scid in sorted(unknown)}
        if not found:
            return
        with self.database.transaction(self.node_key) as tx:
            for scid in (scid for scid, channel in found.items() if channel is None):
                scids.add_placeholder(tx, scid, self.clock())
            scids.attach_scids(tx, {scid: one.channel_id for scid, one in found.items() if one is not None})


def score_page(tx: Tx, seen_at: float, final: Sequence[FinalForward]) -> Mapping[int, Lesson]:
    """Given forwards that became final, count them into the sums of peers and channels; return what each taught."""
    if not final:
        return {}
    scored = score_forwards(final, signals.load(tx), seen_at)
    signals.save_peers(tx, scored.senders, scored.receivers)
    signals.save_channels(tx, scored.channels)
    return scored.lessons
