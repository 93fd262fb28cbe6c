"""Replies of the plugin sling, v4. Requests name amounts in sat, `sling-jobsettings` answers in msat; nothing here
reads the tables that are made for people.

A reply that is a bare list arrives as an object with the one member `rows` (see `node/attempt.py`).
"""

from __future__ import annotations

import re
from typing import Final

from revops.domain.sling import SentPayment, SlingJob, SlingTask
from revops.node.fields import Fields

_PAYMENT_STATES: Final = ("pending", "complete", "failed")
#: "2:NoCheapRoute": the number of the task, and its state.
_STATE: Final = re.compile(r"[0-9]{1,5}:([A-Za-z]{1,40})")


def version(reply: dict[str, object]) -> str:
    """Given the reply of `sling-version`, return the version as sling writes it."""
    return Fields("sling-version", reply).text("version")


def jobs(reply: dict[str, object]) -> tuple[SlingJob, ...]:
    """Given the reply of `sling-jobsettings`, return the standing jobs, by channel. Jobs of `sling-once` are not in
    it.
    """
    whole = Fields("sling-jobsettings", reply)
    keys = Fields("sling-jobsettings", {f"the key {scid}": scid for scid in reply})
    for key in keys.values:
        keys.scid(key)
    return tuple(_job(scid, whole.child(scid)) for scid in reply)


def _job(scid: str, row: Fields) -> SlingJob:
    return SlingJob(
        scid=scid,
        pulls=row.one_of("sat_direction", ("Pull", "Push", "pull", "push")).lower() == "pull",
        amount_msat=row.msat("amount_msat"),
        max_ppm=row.whole("maxppm"),
    )


def tasks(reply: dict[str, object]) -> tuple[SlingTask, ...]:
    """Given the reply of `sling-stats` as JSON, return the channels on which sling has, or had, something to do."""
    found = []
    for row in Fields("sling-stats", reply).rows("rows"):
        states = []
        for text in row.texts("status"):
            match = _STATE.fullmatch(text)
            if match is None:
                raise row.wrong("status", "is none of sling's")
            states.append(match[1])
        found.append(SlingTask(scid=row.scid("scid"), states=tuple(states)))
    return tuple(found)


def started(reply: dict[str, object]) -> None:
    """Given the reply of `sling-once`, raise NodeError unless it says that the job has begun."""
    Fields("sling-once", reply).one_of("result", ("started",))


def stopped(reply: dict[str, object]) -> int:
    """Given the reply of `sling-stop`, return how many tasks it told to stop; those that had ended count as well."""
    return Fields("sling-stop", reply).whole("stopped_count")


def sent_payments(reply: dict[str, object]) -> tuple[SentPayment, ...]:
    """Given a page of `listsendpays`, return its rows in their order."""
    return tuple(_sent(row) for row in Fields("listsendpays", reply).rows("payments"))


def _sent(row: Fields) -> SentPayment:
    return SentPayment(
        created_index=row.whole("created_index"),
        payment_hash=row.hash("payment_hash"),
        status=row.one_of("status", _PAYMENT_STATES),
        amount_msat=row.maybe(row.msat, "amount_msat"),
        amount_sent_msat=row.msat("amount_sent_msat"),
        destination=row.maybe(row.node_id, "destination"),
        created_at=row.whole("created_at"),
        labelled=any(name in row for name in ("label", "bolt11", "bolt12")),
        label=row.maybe(row.text, "label"),
    )
