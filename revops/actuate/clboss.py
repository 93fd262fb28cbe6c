"""Tell CLBOSS what to leave to us, and give it back: intent, call, check, record.

`clboss-unmanage` puts a whole set of tags in the place of the one before. So the set is read right before each call,
what is ours goes in or out, and what the operator has put there stays. What CLBOSS lists afterwards is what counts. A
call whose outcome isn't known (killed, connection lost) stays `pending`; the next run closes it by the same list. Only
what we took, by such a record, is ever given back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from revops.domain.clboss import NO_TAGS, ClbossChange, ClbossOutcome, Tags, Unmanaged
from revops.domain.record import ActionRecord
from revops.errors import DataError
from revops.node.errors import NodeError
from revops.node.reader import Reader
from revops.node.writer import Writer
from revops.store import actions, clboss
from revops.store.engine import Database, Tx

METHOD: Final = "clboss-unmanage"
#: Nothing was done: there is no such method (any more), or CLBOSS doesn't know the tag. Where the plugin ended in the
#: middle, lightningd has another code: that may have been done.
_REFUSALS: Final = frozenset({-32601, -32602})


@dataclass(frozen=True, slots=True)
class ClbossKeeper:
    """Who changes the sets, one at a time: the caller holds the lock. `run_key` is None in a dry run."""

    database: Database
    node_key: int
    run_key: int | None
    reader: Reader
    writer: Writer
    clock: Callable[[], float]

    def settle(self, unmanaged: Unmanaged) -> None:
        """Given what CLBOSS lists, close the calls of earlier runs whose end isn't known."""
        if self.run_key is None:
            return
        with self.database.transaction(self.node_key) as tx:
            for action in actions.pending_actions(tx, METHOD):
                self._close(tx, action.action_key, _request_of(action), unmanaged)

    def take(self, unmanaged: Unmanaged, wanted: Unmanaged) -> tuple[ClbossChange, ...]:
        """Given what CLBOSS lists and what it should leave to us, take what is missing; return what became of each
        peer. Raise NodeError where an outcome isn't known.
        """
        return self._change(unmanaged, wanted, {})

    def give_back(self, unmanaged: Unmanaged, held: Unmanaged) -> tuple[ClbossChange, ...]:
        """Given what CLBOSS lists and what we hold, give that back; return what became of each peer. Raise NodeError
        where an outcome isn't known.
        """
        return self._change(unmanaged, {}, held)

    def _change(self, unmanaged: Unmanaged, take: Unmanaged, give: Unmanaged) -> tuple[ClbossChange, ...]:
        found: list[ClbossChange] = []
        for peer_id in sorted({*take, *give}):
            listed = unmanaged.get(peer_id, NO_TAGS)
            request = _Request(peer_id, take.get(peer_id, NO_TAGS) - listed, give.get(peer_id, NO_TAGS))
            if not request.take and not request.give & listed:
                self._forget(request)
                continue
            change, unmanaged = self._call(request, (listed | request.take) - request.give, unmanaged)
            found.append(change)
        return tuple(found)

    def _call(self, request: _Request, tags: Tags, unmanaged: Unmanaged) -> tuple[ClbossChange, Unmanaged]:
        """One call; return what became of it, and what CLBOSS lists after it."""
        action_key = self._begin(request, tags)
        try:
            self.writer.clboss_unmanage(request.peer_id, tags)
        except NodeError as error:
            if error.code not in _REFUSALS:
                raise
            self._refused(action_key, str(error))
            return request.change(ClbossOutcome.FAILED, str(error)), unmanaged
        if self.run_key is None:
            return request.change(ClbossOutcome.DONE), {**unmanaged, request.peer_id: tags}
        now_listed = self.reader.clboss_unmanaged()
        if now_listed is None:
            raise NodeError("clboss-status", "CLBOSS is gone; the next run looks again", outcome_unknown=True)
        with self.database.transaction(self.node_key) as tx:
            done = self._close(tx, action_key, request, now_listed)
        if done:
            return request.change(ClbossOutcome.DONE), now_listed
        return request.change(ClbossOutcome.FAILED, f"{METHOD}: CLBOSS agreed, and lists something else"), now_listed

    def _begin(self, request: _Request, tags: Tags) -> int:
        if self.run_key is None:
            return 0
        with self.database.transaction(self.node_key) as tx:
            return actions.begin_action(tx, self.run_key, METHOD, None, request.as_json(tags), self.clock())

    def _refused(self, action_key: int, message: str) -> None:
        if self.run_key is not None:
            with self.database.transaction(self.node_key) as tx:
                actions.finish_action(tx, action_key, "failed", {"error": message}, self.clock())

    def _forget(self, request: _Request) -> None:
        """What CLBOSS manages again already, by the operator's hand, isn't ours any more."""
        if request.give and self.run_key is not None:
            with self.database.transaction(self.node_key) as tx:
                self._record(tx, request, NO_TAGS)

    def _close(self, tx: Tx, action_key: int, request: _Request, unmanaged: Unmanaged) -> bool:
        listed = unmanaged.get(request.peer_id, NO_TAGS)
        self._record(tx, request, listed)
        done = request.take <= listed and not request.give & listed
        actions.finish_action(tx, action_key, "done" if done else "failed", {"tags": sorted(listed)}, self.clock())
        return done

    def _record(self, tx: Tx, request: _Request, listed: Tags) -> None:
        """What we hold of a peer after a call, by what CLBOSS lists: what was taken and is there, less what is gone."""
        known = clboss.held_tags(tx).get(request.peer_id)
        before = NO_TAGS if known is None else known.tags
        held = (before | (request.take & listed)) - (request.give - listed)
        clboss.record_held(tx, request.peer_id, held, self.clock())


@dataclass(frozen=True, slots=True)
class _Request:
    """What a call is for."""

    peer_id: str
    take: Tags
    give: Tags

    def as_json(self, tags: Tags) -> dict[str, object]:
        """What is written down before it is made; `tags` is the set that is sent."""
        return {
            "nodeid": self.peer_id,
            "tags": sorted(tags),
            "take": sorted(self.take),
            "give": sorted(self.give),
        }

    def change(self, outcome: ClbossOutcome, message: str = "") -> ClbossChange:
        """What became of it."""
        return ClbossChange(self.peer_id, tuple(sorted(self.take)), tuple(sorted(self.give)), outcome, message)


def _request_of(action: ActionRecord) -> _Request:
    request: Mapping[str, object] = action.request
    peer_id, take, give = request.get("nodeid"), request.get("take"), request.get("give")
    if not isinstance(peer_id, str) or not isinstance(take, list) or not isinstance(give, list):
        raise DataError(f"action {action.action_key}: what {METHOD} was called with can't be read")
    return _Request(peer_id, frozenset(map(str, take)), frozenset(map(str, give)))
