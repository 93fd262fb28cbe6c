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
from dataclasses import replace
from typing import Any

from revops.cli.main import main
from revops.cycle import splice_plan, splice_run, splice_scene
from revops.decide.marginal_sat import marginal
from revops.decide.splice import follow
from revops.domain.capital import CapitalStanding, SatWorth
from revops.domain.dead_capital import Standing
from revops.domain.splice import SpliceScene, SpliceSite
from revops.node import writer
from revops.node.rpc import Rpc
from revops.store import splices_begun

#: Each sat more brings 5,000 ppm with every second sale.
WORTH = SatWorth(5_000.0, 4_000.0, 6_000.0, 30.0, 10_000.0, 0.0, 0.0, 0.0)
MSAT_PER_SAT = 1_000


def told(found: SpliceScene, wanted: str, wanted_sat: int, dead: str) -> SpliceScene:
    """The scene with the records that were given."""
    sites = (_told(one, wanted, wanted_sat, dead) for one in found.sites)
    return replace(found, sites=tuple(sites), rated_days=30.0)


def _told(site: SpliceSite, wanted: str, wanted_sat: int, dead: str) -> SpliceSite:
    if site.channel.channel_id == dead:
        return replace(site, standing=Standing.DEAD, silent_days=90.0)
    if site.channel.channel_id != wanted:
        return site
    row = replace(site.row, standing=CapitalStanding.COUNTED, worth=WORTH, marginal=marginal(WORTH), out_msat=0)
    away_msat = wanted_sat * MSAT_PER_SAT // 3  # of 30 days; the horizon has 90
    return replace(
        site, row=row, standing=Standing.ALIVE, connected_days=30.0, exhausted_days=15.0, refused_count=40,
        refused_msat=away_msat, demand_msat_per_day=away_msat / 30,
    )  # fmt: skip


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
        module.splice_scene = seen  # type: ignore[attr-defined]
    splice_run.GRACE_SECONDS = given["patience"]
    follow.PATIENCE_SECONDS = given["patience"]  # type: ignore[misc]
    writer._SPLICE_SECONDS = given["patience"] or 60.0  # type: ignore[misc]
    if given["die"]:
        arm(given["die"])
    return main(given["arguments"])


if __name__ == "__main__":
    sys.exit(run(json.loads(sys.argv[1])))
