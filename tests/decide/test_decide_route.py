"""Circular routes: a valid path becomes a route that a node would take, and anything odd is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from revops.decide.route import RouteRefusedError, circular_route, inbound_end, route_fee_msat
from revops.domain.channel import Channel
from revops.domain.payment import PathStep
from revops.domain.units import forward_fee_msat
from tests.builders import OWN_ID, make_channel, make_terms, node_id

SOURCE = make_channel(1, direction=1)
TARGET = make_channel(2, direction=0, remote_terms=make_terms(fee_base_msat=1_000, fee_ppm=50))
AMOUNT_MSAT = 100_000_000
FINAL_BLOCKS = 22

Path = tuple[PathStep, ...]


def path_to(target: Channel, amount_msat: int, terms: list[tuple[int, int, int]]) -> Path:
    """A valid path to the target's peer, its (base, ppm, delta) given from the last channel to the first."""
    end = inbound_end(target, amount_msat, FINAL_BLOCKS)
    amount, blocks, node = end.amount_msat, end.cltv_blocks, target.peer_id
    steps: list[PathStep] = []
    for number, (base_msat, ppm, delta) in enumerate(terms):
        amount_in, blocks_in = amount + forward_fee_msat(amount, base_msat, ppm), blocks + delta
        steps.append(PathStep(f"{800 + number}x1x0", number % 2, node, amount_in, amount, blocks_in, blocks))
        amount, blocks, node = amount_in, blocks_in, node_id(100 + number)
    return tuple(reversed(steps))


PATH = path_to(TARGET, AMOUNT_MSAT, [(0, 100, 34), (1_000, 10, 80), (5, 0, 40)])


@pytest.mark.parametrize(
    ("amount_msat", "fee_msat"), [(1_000, 1_000), (19_999, 1_000), (20_000, 1_001), (4_000_000_000, 201_000)]
)
def test_the_last_hop_is_paid_to_the_peer(amount_msat: int, fee_msat: int) -> None:
    end = inbound_end(TARGET, amount_msat, FINAL_BLOCKS)
    assert (end.amount_msat, end.cltv_blocks) == (amount_msat + fee_msat, FINAL_BLOCKS + 34)


@pytest.mark.parametrize("amount_msat", [999, 4_000_000_001, 0, -1])
def test_an_amount_that_the_peer_does_not_forward_is_refused(amount_msat: int) -> None:
    with pytest.raises(RouteRefusedError, match="1000 to 4000000000 msat"):
        inbound_end(TARGET, amount_msat, FINAL_BLOCKS)


def test_a_peer_whose_fee_is_not_known_is_refused() -> None:
    with pytest.raises(RouteRefusedError, match="not known"):
        inbound_end(make_channel(remote_terms=None), AMOUNT_MSAT, FINAL_BLOCKS)


hop_terms = st.tuples(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 144))


@given(
    amount_msat=st.integers(1_000, 4_000_000_000),
    terms=st.lists(hop_terms, min_size=1, max_size=8),
    base_msat=st.integers(0, 2**32 - 1),
    ppm=st.integers(0, 2**32 - 1),
    directions=st.tuples(st.integers(0, 1), st.integers(0, 1)),
)
def test_a_valid_path_becomes_a_circle(
    amount_msat: int, terms: list[tuple[int, int, int]], base_msat: int, ppm: int, directions: tuple[int, int]
) -> None:
    source = replace(SOURCE, direction=directions[0])
    target = replace(TARGET, direction=directions[1], remote_terms=make_terms(fee_base_msat=base_msat, fee_ppm=ppm))
    path = path_to(target, amount_msat, terms)
    route = circular_route(OWN_ID, source, target, path, amount_msat, FINAL_BLOCKS)
    first, last = route[0], route[-1]
    assert len(route) == len(path) + 2
    assert (first.node_id, first.scid, first.direction) == (source.peer_id, source.scid, source.direction)
    assert (last.node_id, last.scid, last.direction) == (OWN_ID, target.scid, 1 - directions[1])
    assert (last.amount_msat, last.delay_blocks) == (amount_msat, FINAL_BLOCKS)
    assert (route[-2].node_id, route[-2].scid) == (target.peer_id, path[-1].scid)
    amounts, delays = [hop.amount_msat for hop in route], [hop.delay_blocks for hop in route]
    assert amounts == sorted(amounts, reverse=True)
    assert delays == sorted(delays, reverse=True)
    # Each hop after the first is entered by what its sender was told to pass on: the fees add up along the way.
    fees = [forward_fee_msat(step.amount_out_msat, *own[:2]) for step, own in zip(path, reversed(terms), strict=True)]
    assert (
        route_fee_msat(route) == amounts[0] - amounts[-1] == sum(fees) + forward_fee_msat(amount_msat, base_msat, ppm)
    )


def edited(index: int, **changes: object) -> Callable[[Path], Path]:
    """A path of which one step is something else."""

    def edit(path: Path) -> Path:
        steps = list(path)
        steps[index] = replace(steps[index], **changes)  # type: ignore[arg-type]
        return tuple(steps)

    return edit


def shifted(index: int, **by: int) -> Callable[[Path], Path]:
    """A path of which one step's figures are off by something."""

    def edit(path: Path) -> Path:
        return edited(index, **{key: getattr(path[index], key) + value for key, value in by.items()})(path)

    return edit


def sunken(path: Path) -> Path:
    """All amounts join, but the middle channel gives out more than it takes in."""
    low = path[1].amount_out_msat - 1
    return (replace(path[0], amount_in_msat=low, amount_out_msat=low), replace(path[1], amount_in_msat=low), path[2])


def hurried(path: Path) -> Path:
    """All delays join, but the middle channel has more time on its way out than on its way in."""
    low = path[1].cltv_out_blocks - 1
    return (replace(path[0], cltv_in_blocks=low, cltv_out_blocks=low), replace(path[1], cltv_in_blocks=low), path[2])


MALFORMED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty": (lambda _path: (), "empty"),
    "ends early": (lambda path: path[:-1], "ends at"),
    "ends elsewhere": (edited(-1, node_id_out=node_id(9)), "ends at"),
    "ends with us": (edited(-1, node_id_out=OWN_ID), "ends at"),
    "through us": (edited(1, node_id_out=OWN_ID), "our own node"),
    "starts with us": (edited(0, node_id_out=OWN_ID), "our own node"),
    "back to the source's peer": (edited(1, node_id_out=SOURCE.peer_id), "twice"),
    "the source's peer to itself": (edited(0, node_id_out=SOURCE.peer_id), "twice"),
    "a node twice": (edited(0, node_id_out=node_id(100)), "twice"),
    "the target's peer twice": (edited(0, node_id_out=TARGET.peer_id), "twice"),
    "delivers less": (shifted(-1, amount_out_msat=-1), "another amount or delay"),
    "delivers more": (shifted(-1, amount_out_msat=1), "another amount or delay"),
    "arrives too late": (shifted(-1, cltv_out_blocks=-1), "another amount or delay"),
    "arrives too early": (shifted(-1, cltv_out_blocks=1), "another amount or delay"),
    "loses money between two channels": (shifted(0, amount_out_msat=1), "don't join"),
    "finds money between two channels": (shifted(1, amount_in_msat=1), "don't join"),
    "loses time between two channels": (shifted(0, cltv_out_blocks=1), "don't join"),
    "finds time between two channels": (shifted(2, cltv_in_blocks=1), "don't join"),
    "a step is missing": (lambda path: (path[0], path[2]), "don't join"),
    "steps are swapped": (lambda path: (path[1], path[0], path[2]), "don't join"),
    "grows at the first channel": (
        lambda path: edited(0, amount_in_msat=path[0].amount_out_msat - 1)(path),
        "grows",
    ),
    "gains time at the first channel": (
        lambda path: edited(0, cltv_in_blocks=path[0].cltv_out_blocks - 1)(path),
        "grows",
    ),
    "grows on the way": (sunken, "grows"),
    "gains time on the way": (hurried, "grows"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_path_is_refused(name: str) -> None:
    edit, message = MALFORMED[name]
    circular_route(OWN_ID, SOURCE, TARGET, PATH, AMOUNT_MSAT, FINAL_BLOCKS)
    with pytest.raises(RouteRefusedError, match=message):
        circular_route(OWN_ID, SOURCE, TARGET, edit(PATH), AMOUNT_MSAT, FINAL_BLOCKS)


@given(
    index=st.integers(0, 2),
    key=st.sampled_from(("amount_in_msat", "amount_out_msat", "cltv_in_blocks", "cltv_out_blocks")),
    by=st.integers(-(10**12), 10**12),
)
def test_no_single_figure_can_be_off(index: int, key: str, by: int) -> None:
    """But what enters the first channel: it is the price, and whoever asks for the route checks it."""
    assume(by != 0)
    free = key.endswith(("in_msat", "in_blocks")) and index == 0
    edited_path = shifted(index, **{key: by})(PATH)
    if (
        free
        and edited_path[0].amount_in_msat >= PATH[0].amount_out_msat
        and (edited_path[0].cltv_in_blocks >= PATH[0].cltv_out_blocks)
    ):
        route = circular_route(OWN_ID, SOURCE, TARGET, edited_path, AMOUNT_MSAT, FINAL_BLOCKS)
        assert route_fee_msat(route) == edited_path[0].amount_in_msat - AMOUNT_MSAT
        return
    with pytest.raises(RouteRefusedError):
        circular_route(OWN_ID, SOURCE, TARGET, edited_path, AMOUNT_MSAT, FINAL_BLOCKS)


def test_a_route_for_another_amount_or_delay_is_refused() -> None:
    for amount_msat, blocks in ((AMOUNT_MSAT + 1, FINAL_BLOCKS), (AMOUNT_MSAT, FINAL_BLOCKS + 1)):
        with pytest.raises(RouteRefusedError, match="another amount or delay"):
            circular_route(OWN_ID, SOURCE, TARGET, PATH, amount_msat, blocks)


def test_two_channels_of_one_peer_make_no_circle() -> None:
    with pytest.raises(RouteRefusedError, match="same peer"):
        circular_route(OWN_ID, replace(SOURCE, peer_id=TARGET.peer_id), TARGET, PATH, AMOUNT_MSAT, FINAL_BLOCKS)


@pytest.mark.parametrize(
    ("source", "target", "scids"),
    [
        ({}, {}, ("700001x1x0", "700002x1x0")),
        # Without a real scid each end goes by the alias that the one who forwards over it knows.
        ({"scid": None}, {"scid": None}, ("10001x2x0", "20002x3x0")),
        # The peer may refuse the real scid of a private channel, but always knows the alias that it gave (BOLT 2).
        ({"private": True}, {"private": True}, ("700001x1x0", "20002x3x0")),
        ({}, {"private": True, "alias_remote": None}, ("700001x1x0", "700002x1x0")),
        ({"alias_local": None}, {"alias_remote": None}, ("700001x1x0", "700002x1x0")),
    ],
)
def test_each_end_is_named_as_its_forwarder_knows_it(
    source: dict[str, object], target: dict[str, object], scids: tuple[str, str]
) -> None:
    out_of, into = replace(SOURCE, **source), replace(TARGET, **target)  # type: ignore[arg-type]
    route = circular_route(OWN_ID, out_of, into, PATH, AMOUNT_MSAT, FINAL_BLOCKS)
    assert (route[0].scid, route[-1].scid) == scids


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ({"scid": None, "alias_local": None}, {}),
        ({"direction": None}, {}),
        ({}, {"scid": None, "alias_remote": None}),
        ({}, {"direction": None}),
    ],
)
def test_a_channel_that_cannot_be_named_is_refused(source: dict[str, object], target: dict[str, object]) -> None:
    out_of, into = replace(SOURCE, **source), replace(TARGET, **target)  # type: ignore[arg-type]
    with pytest.raises(RouteRefusedError, match="without a short channel id"):
        circular_route(OWN_ID, out_of, into, PATH, AMOUNT_MSAT, FINAL_BLOCKS)
