"""`getroutes`, in one meaning for every version.

Up to v26.04 an element of a path says what *enters* its channel (`amount_msat`, `delay`) and where it leads
(`next_node_id`); what leaves it is what enters the next one. From v26.06 on both ends are named (`amount_in_msat`,
`amount_out_msat`, `cltv_in`, `cltv_out`, `node_id_in`, `node_id_out`) beside the old names, which mean what they
meant. Confusing the two costs money with each payment, so a path is taken only if it adds up from end to end.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from revops.domain.payment import PathStep
from revops.node.errors import garbage
from revops.node.fields import Fields

_METHOD: Final = "getroutes"


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """What was asked for, to hold the answer against."""

    source_id: str
    destination_id: str
    amount_msat: int
    max_fee_msat: int
    final_cltv_blocks: int


def path(reply: dict[str, object], wanted: RouteRequest) -> tuple[PathStep, ...]:
    """Given the reply of `getroutes` with maxparts 1, return its only path. Raise NodeError where it doesn't add up."""
    fields = Fields(_METHOD, reply)
    routes = tuple(fields.rows("routes"))
    if len(routes) != 1:
        raise fields.wrong("routes", f"lists {len(routes)} routes, 1 was asked for")
    route = routes[0]
    _same(route, "amount_msat", route.msat("amount_msat"), wanted.amount_msat)
    _same(route, "final_cltv", route.whole("final_cltv"), wanted.final_cltv_blocks)
    rows = tuple(route.rows("path"))
    if not rows:
        raise route.wrong("path", "is empty")
    steps = _steps(route, rows, wanted)
    _check_ends(steps, wanted)
    _check_way(steps, wanted)
    return steps


def _same(fields: Fields, name: str, value: int, wanted: int) -> None:
    if value != wanted:
        raise fields.wrong(name, f"is {value}, {wanted} was asked for")


def _steps(route: Fields, rows: tuple[Fields, ...], wanted: RouteRequest) -> tuple[PathStep, ...]:
    named = [any(name in row for name in ("amount_out_msat", "cltv_out", "node_id_out")) for row in rows]
    if all(named):
        starts = [wanted.source_id, *(row.node_id("node_id_out") for row in rows[:-1])]
        return tuple(_step_both_ends(row, start) for row, start in zip(rows, starts, strict=True))
    if any(named):
        raise route.wrong("path", "mixes the fields of v26.06 with those of older versions")
    return _steps_entering(rows, wanted)


def _step_both_ends(row: Fields, start: str) -> PathStep:
    scid, direction = row.scidd("short_channel_id_dir")
    if row.node_id("node_id_in") != start:
        raise row.wrong("node_id_in", "is not where the path has come to")
    return PathStep(
        scid=scid,
        direction=direction,
        node_id_out=row.node_id("node_id_out"),
        amount_in_msat=row.msat("amount_in_msat"),
        amount_out_msat=row.msat("amount_out_msat"),
        cltv_in_blocks=row.whole("cltv_in"),
        cltv_out_blocks=row.whole("cltv_out"),
    )


def _steps_entering(rows: tuple[Fields, ...], wanted: RouteRequest) -> tuple[PathStep, ...]:
    entering = [(row.msat("amount_msat"), row.whole("delay")) for row in rows]
    leaving = [*entering[1:], (wanted.amount_msat, wanted.final_cltv_blocks)]
    steps = []
    for row, (amount_in_msat, cltv_in), (amount_out_msat, cltv_out) in zip(rows, entering, leaving, strict=True):
        scid, direction = row.scidd("short_channel_id_dir")
        steps.append(
            PathStep(
                scid=scid,
                direction=direction,
                node_id_out=row.node_id("next_node_id"),
                amount_in_msat=amount_in_msat,
                amount_out_msat=amount_out_msat,
                cltv_in_blocks=cltv_in,
                cltv_out_blocks=cltv_out,
            )
        )
    return tuple(steps)


def _check_ends(steps: tuple[PathStep, ...], wanted: RouteRequest) -> None:
    last = steps[-1]
    if last.node_id_out != wanted.destination_id:
        raise garbage(_METHOD, "the path ends at another node than the destination")
    if last.amount_out_msat != wanted.amount_msat:
        raise garbage(_METHOD, f"the path delivers {last.amount_out_msat} msat, {wanted.amount_msat} were asked for")
    if last.cltv_out_blocks != wanted.final_cltv_blocks:
        raise garbage(
            _METHOD, f"the path leaves {last.cltv_out_blocks} blocks, {wanted.final_cltv_blocks} were asked for"
        )
    fee_msat = steps[0].amount_in_msat - wanted.amount_msat
    if fee_msat > wanted.max_fee_msat:
        raise garbage(_METHOD, f"the path costs {fee_msat} msat, at most {wanted.max_fee_msat} were allowed")


def _check_way(steps: tuple[PathStep, ...], wanted: RouteRequest) -> None:
    for step in steps:
        if step.amount_in_msat < step.amount_out_msat or step.cltv_in_blocks < step.cltv_out_blocks:
            raise garbage(_METHOD, f"more leaves channel {step.scid} than enters it")
    for step, after in pairwise(steps):
        if (step.amount_out_msat, step.cltv_out_blocks) != (after.amount_in_msat, after.cltv_in_blocks):
            raise garbage(_METHOD, f"what leaves channel {step.scid} is not what enters {after.scid}")
    nodes = [wanted.source_id, *(step.node_id_out for step in steps)]
    if len(set(nodes)) != len(nodes):
        raise garbage(_METHOD, "the path visits a node twice")
    for step, (node_id_in, node_id_out) in zip(steps, pairwise(nodes), strict=True):
        # BOLT 7: direction 0 is the one that starts at the lesser of the two node ids.
        if step.direction != int(node_id_in > node_id_out):
            raise garbage(
                _METHOD, f"channel {step.scid} doesn't lead where the path says, in direction {step.direction}"
            )
