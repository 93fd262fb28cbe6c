"""Begin splices, and follow those that were begun: reserve, preview, ask, note the transaction, look at it, settle.

One splice goes through these states, each written before the step that it allows:

    planned -> reserved (ledger) -> sending -> in_flight (transaction) -> settled | failed

so that a run killed anywhere leaves evidence: `reserved` means that nothing can have been asked, `sending` that the
node may have made it, `in_flight` that it has. What is left open is closed by `follow`, in this run or a later one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from revops.decide.splice.follow import Evidence, Verdict, follow, mismatch
from revops.decide.splice.ready import Ready, obstacle, unpaid
from revops.domain.budget import Category
from revops.domain.channel import Channel
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.splice import SpliceJob, SpliceStart
from revops.errors import BugError, DataError
from revops.node.errors import NodeError
from revops.node.parse_splices import transcript
from revops.node.reader import Reader
from revops.node.writer import Writer
from revops.store import events, ledger
from revops.store import splices_begun as splices
from revops.store.engine import Database

#: What lightningd answers where a splice ends before anything of it is signed: its plugin's own refusals (with which
#: come those of the single steps), no funds, and those of the channel. What it says where signing failed is none of
#: them.
REFUSALS: Final = frozenset({-32602, 301, 351, 352, 353, 354, 355, 356, 357, 358, 359, 360, 363})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpliceOutcome:
    """What became of a splice in this run. `fault` is what the run ends with: the node did something else."""

    splice_key: int
    reason: Reason
    fault: DataError | None = None


@dataclass(frozen=True, slots=True)
class Splicer:
    """All that it takes. `limits` gives the daily and weekly limit in force inside the reserving transaction."""

    database: Database
    node_key: int
    run_key: int
    reader: Reader
    writer: Writer
    clock: Callable[[], float]
    limits: ledger.Limits

    def follow(self, job: SpliceJob, costs_msat: Mapping[str, int], *, reconnected: bool) -> SpliceOutcome:
        """Given an open splice, what splices of its channel have cost by the node's records, and whether its peer has
        connected anew since it was begun, look at the channel and write down how it stands.
        """
        channel = self.reader.channel(job.channel_id)
        verdict = follow(job, Evidence(channel, costs_msat, reconnected, self.clock()))
        self._record(job, verdict)
        if verdict.reconnect and channel is not None:
            self._reconnect(channel.peer_id)
        return SpliceOutcome(job.splice_key, verdict.reason)

    def begin(self, ready: Ready) -> SpliceOutcome:
        """Given a splice that may be begun, begin it; don't wait for its depth. Raise NodeError where the outcome isn't
        known, TemporaryError where a newer run has taken over.
        """
        job = ready.job
        channel = self.reader.channel(job.channel_id)
        reason = obstacle(channel)
        if reason is not None or channel is None:
            return SpliceOutcome(job.splice_key, reason or why(ReasonCode.SPLICE_GONE))
        with self.database.read(self.node_key) as tx:
            start = self._start(ready, channel, events.latest_index(tx))
        try:
            with self.database.transaction(self.node_key) as tx:
                reserve_key = ledger.reserve(
                    tx,
                    run_key=self.run_key,
                    job_key=None,
                    amount_msat=start.worst_msat,
                    at=start.asked_at,
                    limits=self.limits,
                    category=Category.SPLICE,
                )
                splices.mark_reserved(tx, job.splice_key, reserve_key, start)
                job = splices.begun(tx, job.splice_key)
        except ledger.BudgetExceededError as exceeded:
            return SpliceOutcome(job.splice_key, exceeded.reason)
        refusal = self._preview(ready) or unpaid(ready, self.reader.wallet())
        if refusal is not None:
            self._record(job, Verdict("released", refusal))
            return SpliceOutcome(job.splice_key, refusal)
        with self.database.transaction(self.node_key) as tx:
            # A newer run may be following this splice at this moment: without the fence it would free what we begin.
            ledger.take_fence(tx, self.run_key)
            splices.mark_sending(tx, job.splice_key)
            job = splices.begun(tx, job.splice_key)
        try:
            txid = self.writer.make_splice(job.direction, job.channel_id, ready.amount_sat, ready.perkw)
        except NodeError as error:
            return self._refused(job, error)
        with self.database.transaction(self.node_key) as tx:
            ledger.take_fence(tx, self.run_key)
            splices.mark_in_flight(tx, job.splice_key, txid)
        return self._check(job, ready, txid)

    def _start(self, ready: Ready, channel: Channel, event_index: int) -> SpliceStart:
        """What will be asked, and of which channel."""
        if channel.funding_txid is None:
            raise DataError(f"listpeerchannels: no funding transaction of channel {channel.channel_id}")
        return SpliceStart(
            asked_at=self.clock(),
            funding_txid=channel.funding_txid,
            capacity_msat=channel.capacity_msat,
            amount_sat=ready.amount_sat,
            perkw=ready.perkw,
            weight=ready.weight,
            worst_msat=ready.worst_msat,
            event_index=event_index,
        )

    def _preview(self, ready: Ready) -> Reason | None:
        """Let the node say what it would do; return why that isn't what it is asked for, None where it is."""
        asked = (ready.job.direction, ready.job.channel_id, ready.amount_sat, ready.perkw)
        try:
            said = self.writer.preview_splice(*asked)
        except NodeError as error:
            if error.code is None:  # the node is away: the run ends with that, and the next one releases
                raise
            return why(ReasonCode.SPLICE_REFUSED, message=str(error))
        if said != transcript(*asked):
            return why(ReasonCode.SPLICE_REFUSED, message="asked what it would do, it says something else")
        return None

    def _refused(self, job: SpliceJob, error: NodeError) -> SpliceOutcome:
        """The node gave no transaction. Where it can't have made any, close the splice; else leave it open, and raise
        the error where even that isn't known.
        """
        channel = self.reader.channel(job.channel_id)
        sure = error.code in REFUSALS and not error.outcome_unknown
        verdict = follow(job, Evidence(channel, {}, reconnected=False, at=self.clock(), refused=sure))
        if verdict.status == "failed":
            verdict = Verdict("failed", why(ReasonCode.SPLICE_REFUSED, message=str(error)))
        self._record(job, verdict)
        if verdict.status == "sending":
            raise error
        return SpliceOutcome(job.splice_key, verdict.reason)

    def _check(self, job: SpliceJob, ready: Ready, txid: str) -> SpliceOutcome:
        """Compare what the node lists with what was asked for."""
        if job.start is None:
            raise BugError(f"splice {job.splice_key} was begun without a start")
        begun = why(
            ReasonCode.SPLICE_BEGUN,
            amount_sat=ready.amount_sat,
            perkw=ready.perkw,
            worst_msat=ready.worst_msat,
            txid=txid,
        )
        channel = self.reader.channel(job.channel_id)
        listed = () if channel is None else channel.splices
        wrong = mismatch(job, job.start, next((one for one in listed if one.txid == txid), None))
        fault = None if wrong is None else DataError(f"dev-splice: {wrong}; transaction {txid}")
        return SpliceOutcome(job.splice_key, begun, fault)

    def _record(self, job: SpliceJob, verdict: Verdict) -> None:
        if verdict.status == job.status and verdict.txid == job.txid:
            return
        now = self.clock()
        with self.database.transaction(self.node_key) as tx:
            ledger.take_fence(tx, self.run_key)
            if verdict.status == "in_flight":
                splices.mark_in_flight(tx, job.splice_key, _known(verdict.txid))
                return
            if job.reserve_key is None:
                raise DataError(f"splice {job.splice_key} is {job.status} without a reservation")
            cost_msat = None
            if verdict.status == "settled":
                cost_msat = verdict.cost_msat
                ledger.settle(tx, job.reserve_key, cost_msat, now, self.run_key)
                if job.start is not None and cost_msat > job.start.worst_msat:
                    numbers = (job.splice_key, cost_msat, job.start.worst_msat)
                    _log.warning("splice %d has cost %d msat: more than the %d that were reserved", *numbers)
            else:
                ledger.release(tx, job.reserve_key, now, self.run_key)
            splices.finish(tx, job.splice_key, verdict.status, now, verdict.reason, verdict.txid, cost_msat)

    def _reconnect(self, peer_id: str) -> None:
        """End a negotiation that hangs. It is looked at again in the next run, so nothing depends on the answer."""
        try:
            self.writer.reconnect(peer_id)
        except NodeError as error:
            _log.warning("%s", error)


def _known(txid: str | None) -> str:
    if txid is None:
        raise BugError("a splice in flight without its transaction")
    return txid
