"""What revops asks of the plugin sling, and of the payments that it makes. Nothing here changes anything.

sling up to v3 takes positional arguments alone, v4 takes both: they are given by position. Its errors all have the code
-32700; where it isn't installed, or has died, lightningd answers -32601.
"""

from __future__ import annotations

from revops.domain.sling import SentPayment, SlingJob, SlingTask
from revops.node import parse_sling
from revops.node.rpc import Caller


class SlingReading:
    """The part of a reader that asks about sling. Every method raises NodeError where there is no answer, or one that
    can't be true.
    """

    _rpc: Caller

    def sling_version(self) -> str:
        """Return sling's version, as in "v4.2.1"."""
        return parse_sling.version(self._rpc.call("sling-version", []))

    def sling_jobs(self) -> tuple[SlingJob, ...]:
        """Return the standing jobs: all are the operator's, since a job that is done once is not among them."""
        return parse_sling.jobs(self._rpc.call("sling-jobsettings", []))

    def sling_tasks(self) -> tuple[SlingTask, ...]:
        """Return on which channels sling has something to do, or had since it was started: standing jobs and once
        jobs. A once job appears a moment after `sling-once` has answered.
        """
        return parse_sling.tasks(self._rpc.call("sling-stats", [True]))

    def sent_payments(self, start: int, limit: int) -> tuple[SentPayment, ...]:
        """Given a created index to start at, return at most `limit` payments of ours, whoever made them."""
        params = {"index": "created", "start": start, "limit": limit}
        return parse_sling.sent_payments(self._rpc.call("listsendpays", params))

    def pending_payments(self) -> tuple[SentPayment, ...]:
        """Return the payments of ours that are under way, whoever made them."""
        return parse_sling.sent_payments(self._rpc.call("listsendpays", {"status": "pending"}))
