"""A `splice` command as a process of its own, on a node whose records say that one channel wants more, and one is dead.

What a month of traffic would have written is given: which channel is exhausted on half of all days and turned payments
away, and which is dead. The channels, the wallet, the feerates, what the peers signal, and all that is sent are the
node's. `DIE` names where the process kills itself: "before" or "after" a method of the node's, or at a commit.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from revops.cli.main import main
from revops.cycle import splice_plan, splice_run, splice_scene
from revops.decide.splice import follow
from revops.domain.splice import SpliceScene
from revops.node import writer
from revops.node.rpc import Rpc
from revops.store import splices_begun
from tests.splice_records import told


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(place: str) -> None:
    """Given a place, die there."""
    when, _, what = place.partition(" ")
    if when == "commit":
        whole = getattr(splices_begun, what)

        def then_die(*given: Any, **more: Any) -> Any:
            done = whole(*given, **more)
            given[0].connection.commit()
            die()
            return done

        setattr(splices_begun, what, then_die)
        return
    call = Rpc.call

    def deadly(self: Rpc, method: str, params: Any = None, timeout_seconds: float | None = None) -> dict[str, object]:
        dry = isinstance(params, dict) and bool(params.get("dryrun"))
        mine = method == "dev-splice" and dry == (what == "dryrun")
        if mine and when == "before":
            die()
        reply = call(self, method, params, timeout_seconds)
        if mine and when == "after":
            die()
        return reply

    Rpc.call = deadly  # type: ignore[method-assign]  # only in this process, which ends with the command


def run(given: dict[str, Any]) -> int:
    """Run one command with the records and the place that were given."""
    scene = splice_scene.splice_scene

    def seen(*arguments: Any) -> SpliceScene:
        return told(scene(*arguments), given["wanted"], given["wanted_sat"], given["dead"])

    for module in (splice_plan, splice_run):
        module.splice_scene = seen  # type: ignore[attr-defined]  # imported there, and only in this process
    splice_run.GRACE_SECONDS = given["patience"]
    follow.PATIENCE_SECONDS = given["patience"]  # type: ignore[misc]  # final elsewhere: a test can't wait ten minutes
    writer._SPLICE_SECONDS = given["patience"] or 60.0  # type: ignore[misc]  # as above
    if given["die"]:
        arm(given["die"])
    return main(given["arguments"])


if __name__ == "__main__":
    sys.exit(run(json.loads(sys.argv[1])))
