"""What sling says of a channel now, and how it is told to stop there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from revops.domain.rebalance import FailureKind
from revops.node.errors import GARBAGE, NodeError
from revops.node.faults import METHOD_NOT_FOUND
from revops.node.reader import Reader
from revops.node.writer import Writer

#: `sling-timeoutpay` where the node doesn't say: as long may `sling-stop` take.
TIMEOUT_PAY_SECONDS: Final = 120
_MARGIN_SECONDS: Final = 30
#: sling's words for what was told to stop.
_STOPPED: Final = frozenset({"Stopping", "Stopped"})
#: sling's words for a job that doesn't go on, or can't: the channel is full, or not what it was.
_ENDED: Final = frozenset({"Balanced", "Error", "ChanNotNormal", "PeerNotFound", "ChanNotInGraph", "Stopped"})
_KINDS: Final = {
    "NoRoutes": FailureKind.NO_ROUTE,
    "NoCheapRoute": FailureKind.FEE_TOO_LOW,
    "NoCandidates": FailureKind.LIQUIDITY,
    "Disconnected": FailureKind.UNREACHABLE,
    "PeerNotFound": FailureKind.UNREACHABLE,
    "PeerNotReady": FailureKind.UNREACHABLE,
    "PeerBad": FailureKind.UNREACHABLE,
}


@dataclass(frozen=True, slots=True)
class SlingState:
    """What sling does on a channel. `gone`: the plugin isn't there. `taken`: the operator has a standing job there.
    `words` are the states of what runs, or ran, there; None where nothing is listed.
    """

    gone: bool = False
    taken: bool = False
    words: tuple[str, ...] | None = None

    @property
    def runs(self) -> bool:
        """Whether something that isn't the operator's standing job goes on there, and wasn't told to stop."""
        return not self.gone and not self.taken and self.words is not None and not set(self.words) <= _STOPPED

    @property
    def sentence(self) -> str:
        """The state in a few words, sling's own first."""
        if self.gone:
            return "the plugin sling is gone"
        if self.taken:
            return "sling has a standing job of yours there"
        return "sling doesn't list it" if self.words is None else ", ".join(self.words)


def state_of(scid: str, reader: Reader) -> SlingState:
    """Given a channel, return what sling does there. Raise NodeError where it doesn't answer, though it is there."""
    try:
        standing = any(job.scid == scid for job in reader.sling_jobs())
        words = [word for task in reader.sling_tasks() if task.scid == scid for word in task.states]
    except NodeError as error:
        if error.code != METHOD_NOT_FOUND:
            raise
        return SlingState(gone=True)
    return SlingState(taken=standing, words=tuple(words) or None)


def ended_by_itself(state: SlingState) -> bool:
    """Whether sling says of a job that it doesn't go on."""
    return state.words is not None and set(state.words) <= _ENDED


def stop(scid: str, state: SlingState, reader: Reader, writer: Writer) -> str | None:
    """Given a channel and what sling does there, let it stop; return why that isn't known to be done, None where it is.

    Nothing is said to a plugin that is gone, nor about a standing job of the operator's: to set that up, sling has
    stopped what ran there before.
    """
    if state.gone or state.taken:
        return None
    seconds = (reader.config_int("sling-timeoutpay") or TIMEOUT_PAY_SECONDS) + _MARGIN_SECONDS
    try:
        writer.sling_stop(scid, float(seconds))
    except NodeError as error:
        if error.code == METHOD_NOT_FOUND:
            return None
        if error.exit_code == GARBAGE:
            raise
        return f"sling can't be stopped ({error})"
    return None


def failure_of(note: str) -> FailureKind:
    """Given what sling said when it was stopped, return which kind of failure it was."""
    words = note.split(", ")
    return next((_KINDS[word] for word in words if word in _KINDS), FailureKind.OTHER)
