"""When a peer was away, from its comings and goings."""

from __future__ import annotations

import pytest

from revops.decide.absences import absences_of
from revops.domain.node import NodeEvent
from revops.domain.node_traffic import Absence
from tests.builders import node_id

HERE, GONE = "connect", "disconnect"


def events(*what: tuple[str, int]) -> list[NodeEvent]:
    return [NodeEvent(index, node_id(1), kind, at, None) for index, (kind, at) in enumerate(what)]


@pytest.mark.parametrize(
    ("what", "connected", "away"),
    [
        ((), True, ()),
        ((), False, ()),
        (((GONE, 200), (HERE, 260)), True, ((200, 260),)),
        (((HERE, 10), (GONE, 200), (HERE, 260), (GONE, 300), (HERE, 301)), True, ((200, 260), (300, 301))),
        # It left before the window; it hasn't come back.
        (((GONE, 50), (HERE, 130)), True, ((100, 130),)),
        (((GONE, 900),), False, ((900, 1_000),)),
        # A connect after a connect tells of our absence, and one from before the window of nothing.
        (((HERE, 200), (HERE, 300)), True, ()),
        (((GONE, 20), (HERE, 30)), True, ()),
        # Said twice; and back though nothing says when.
        (((GONE, 200), (GONE, 210), (HERE, 220)), True, ((200, 220),)),
        (((GONE, 200),), True, ()),
    ],
)
def test_absences(what: tuple[tuple[str, int], ...], connected: bool, away: tuple[tuple[int, int], ...]) -> None:
    found = absences_of(events(*what), connected, 100.0, 1_000.0)
    assert found == tuple(Absence(float(since), float(until)) for since, until in away)
