"""Splices: the script that asks for one, what the node says it would do, and what it did.

`dev-splice` is the one call that bounds the feerate and does all of a splice by itself: a run that is killed in it
leaves no negotiation behind that nobody goes on with, as the calls of single steps would. It compiles a script, so that
nothing but a channel_id and whole numbers ever gets into one. (In v26.06 it refuses every JSON document.)
"""

from __future__ import annotations

import re
from typing import Final

from revops.domain.ids import is_channel_id
from revops.domain.splice import SpliceDirection
from revops.errors import BugError
from revops.node.fields import Fields

_METHOD: Final = "dev-splice"
#: More than all bitcoin, in sat, and more than any feerate that lightningd knows.
_MOST_SAT: Final = 21 * 10**14
_MOST_PERKW: Final = 2**31
_PER_VBYTE: Final = re.compile(r", [0-9.]+ sat/vB")


def script(direction: SpliceDirection, channel_id: str, amount_sat: int, perkw: int) -> str:
    """Given what is to be moved which way, and the feerate in sat per 1000 weight, return the script. Raise BugError
    for anything else than a channel_id and positive whole numbers.
    """
    _insist(channel_id, amount_sat, perkw)
    if direction is SpliceDirection.IN:
        return f"wallet -> {amount_sat} + fee@{perkw}; {amount_sat} -> {channel_id}"
    return f"{channel_id} -> {amount_sat} + fee@{perkw}; 100% -> wallet"


def transcript(direction: SpliceDirection, channel_id: str, amount_sat: int, perkw: int) -> tuple[str, ...]:
    """Given the same, return what a dry run of the node says it would do (`splicearr_to_string`, v26.06)."""
    _insist(channel_id, amount_sat, perkw)
    whence = "wallet" if direction is SpliceDirection.IN else channel_id
    lines = [f"{whence} withdraw {amount_sat}sat plus fee ({perkw}/kw)"]
    if direction is SpliceDirection.IN:
        lines.append(f"put {amount_sat}sat into {channel_id}")
    return (*lines, "put 100% of rest into wallet")


def _insist(channel_id: str, amount_sat: int, perkw: int) -> None:
    if not is_channel_id(channel_id):
        raise BugError("a splice of what is no channel_id; nothing was sent")
    for number, most in ((amount_sat, _MOST_SAT), (perkw, _MOST_PERKW)):
        if type(number) is not int or not 0 < number <= most:
            raise BugError(f"a splice with {number!r}; nothing was sent")


def previewed(reply: dict[str, object]) -> tuple[str, ...]:
    """Given the reply to a dry run, return its lines, without what they say in sat per virtual byte: rounded, the same
    once more.
    """
    lines = Fields(_METHOD, reply).texts("dryrun")
    return tuple(" ".join(_PER_VBYTE.sub("", line).split()) for line in lines)


def spliced(reply: dict[str, object]) -> str:
    """Given the reply to a splice, return its transaction."""
    return Fields(_METHOD, reply).hash("txid")
