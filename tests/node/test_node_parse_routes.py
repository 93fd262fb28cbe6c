"""Routes: two generations of `getroutes` mean the same, and a path that doesn't add up is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from revops.node.errors import NodeError
from revops.node.parse_routes import RouteRequest, path
from tests.node.samples import reply, sample

ASKED = sample("getroutes.layers")["params"]
WANTED = RouteRequest(ASKED["source"], ASKED["destination"], 300_000_000, 5_000_000, 18)
NEW = ("node_id_in", "node_id_out", "amount_in_msat", "amount_out_msat", "cltv_in", "cltv_out")
OLD = ("next_node_id", "amount_msat", "delay")


def without(names: tuple[str, ...], places: tuple[int, ...] = (0, 1)) -> dict[str, Any]:
    found = reply("getroutes.layers")
    for place in places:
        for name in names:
            del found["routes"][0]["path"][place][name]
    return found


def test_the_meaning_of_a_path() -> None:
    first, last = path(reply("getroutes.layers"), WANTED)
    assert (first.scid, first.direction, last.scid, last.direction) == ("126x1x0", 1, "127x1x0", 0)
    assert last.node_id_out == WANTED.destination_id
    # The first channel charges nothing here (layer auto.sourcefree), the second 45,000 msat and 6 blocks.
    assert (first.amount_in_msat, first.amount_out_msat) == (300_045_000, 300_045_000)
    assert (last.amount_in_msat, last.amount_out_msat) == (300_045_000, 300_000_000)
    assert (first.cltv_in_blocks, first.cltv_out_blocks) == (24, 24)
    assert (last.cltv_in_blocks, last.cltv_out_blocks) == (24, 18)


def test_all_generations_mean_the_same() -> None:
    mixed = path(reply("getroutes.layers"), WANTED)
    assert path(without(NEW), WANTED) == mixed  # up to v26.04
    assert path(without(OLD), WANTED) == mixed  # after the old names are gone


def test_a_single_hop() -> None:
    asked = sample("getroutes")["params"]
    wanted = RouteRequest(asked["source"], asked["destination"], 100_000_000, 5_000_000, 18)
    (step,) = path(reply("getroutes"), wanted)
    assert (step.amount_in_msat, step.amount_out_msat, step.cltv_in_blocks, step.cltv_out_blocks) == (
        100_061_000,
        100_000_000,
        24,
        18,
    )


def test_generations_are_not_mixed_within_a_path() -> None:
    with pytest.raises(NodeError, match="mixes"):
        path(without(NEW, (1,)), WANTED)


Change = Callable[[dict[str, Any]], None]


def _set(which: int, **values: object) -> Change:
    """`which`: 0 and 1 are the steps, 2 the route."""

    def change(route: dict[str, Any]) -> None:
        [*route["path"], route][which].update(values)

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_set(2, amount_msat=299_999_999), "amount_msat is 299999999, 300000000 was asked for"),
        (_set(2, final_cltv=17), "final_cltv is 17"),
        (_set(2, path=[]), "path is empty"),
        (_set(1, amount_out_msat=299_999_000), "delivers 299999000 msat"),
        (_set(1, cltv_out=17), "leaves 17 blocks"),
        (_set(1, node_id_out=WANTED.source_id), "ends at another node"),
        (_set(0, node_id_in=WANTED.destination_id), "node_id_in is not where"),
        (_set(1, node_id_in=WANTED.source_id), "node_id_in is not where"),
        (_set(1, amount_in_msat=300_044_999), "is not what enters"),
        (_set(1, cltv_in=23), "is not what enters"),
        (_set(0, amount_in_msat=300_044_999), "more leaves channel 126x1x0"),
        (_set(0, cltv_in=23), "more leaves channel 126x1x0"),
        (_set(0, amount_in_msat=305_000_001), "costs 5000001 msat"),
        (_set(0, short_channel_id_dir="126x1x0/0"), "doesn't lead where"),
        (_set(0, short_channel_id_dir="126x1x0/2"), "short_channel_id_dir is not"),
        (_set(0, short_channel_id_dir="99999999x1x0/1"), "short_channel_id_dir is not"),
    ],
)
def test_a_path_that_does_not_add_up(change: Change, says: str) -> None:
    found = reply("getroutes.layers")
    route = found["routes"][0]
    change(route)
    with pytest.raises(NodeError) as caught:
        path(found, WANTED)
    assert says in str(caught.value)
    assert str(caught.value).startswith("getroutes: ")
    assert caught.value.exit_code == 65


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_set(0, amount_msat=300_044_999), "more leaves channel"),
        (_set(1, amount_msat=299_999_999), "more leaves channel"),
        (_set(1, delay=17), "more leaves channel"),
        (_set(1, next_node_id=WANTED.source_id), "ends at another node"),
    ],
)
def test_an_old_path_that_does_not_add_up(change: Change, says: str) -> None:
    found = without(NEW)
    route = found["routes"][0]
    change(route)
    with pytest.raises(NodeError, match=says):
        path(found, WANTED)


def test_the_dearest_path_that_is_allowed_is_taken() -> None:
    assert path(reply("getroutes.layers"), replace(WANTED, max_fee_msat=45_000))
    with pytest.raises(NodeError, match="at most 44999"):
        path(reply("getroutes.layers"), replace(WANTED, max_fee_msat=44_999))


def test_another_number_of_routes() -> None:
    found = reply("getroutes.layers")
    twice = {"routes": found["routes"] * 2}
    with pytest.raises(NodeError, match="lists 2 routes"):
        path(twice, WANTED)
    with pytest.raises(NodeError, match="lists 0 routes"):
        path({"routes": []}, WANTED)


def test_a_loop_is_refused() -> None:
    found = copy.deepcopy(reply("getroutes.layers"))
    route = found["routes"][0]
    first, last = route["path"]
    # out, back over the same channel, out again
    back = first | {
        "short_channel_id_dir": "126x1x0/0",
        "node_id_in": first["node_id_out"],
        "node_id_out": first["node_id_in"],
    }
    route["path"] = [first, back, first, last]
    with pytest.raises(NodeError, match="visits a node twice"):
        path(found, WANTED)
