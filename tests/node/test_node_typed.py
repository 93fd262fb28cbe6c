"""The short cut of long lists says what reading field by field says, or isn't taken."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from revops.node import parse_forwards, wire
from revops.node.errors import NodeError
from revops.node.typed import FailedRow, MoveRow, RefusedRow, SettledRow, typed_reply
from tests.node.samples import reply

LISTS: dict[str, tuple[str, Callable[[dict[str, Any]], tuple[Any, ...]], set[type]]] = {
    "listforwards": ("forwards", parse_forwards.forwards, {SettledRow, RefusedRow, FailedRow}),
    "listchannelmoves": ("channelmoves", parse_forwards.channel_moves, {MoveRow}),
}
NOTHING = object()
ODD: tuple[Any, ...] = (
    NOTHING, None, True, -1, 0, 7, 7.0, 7.5, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 21 * 10**18 + 1, "5", "", "x", "x\0y",
    "settled", "failed", "local_failed", "offered", "1x2x3", "99999999x1x1", "ab" * 32, "AB" * 32, "ab" * 31, "é", [],
    {},
)  # fmt: skip


def text_of(result: Any, **more: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": "one", "result": result, **more}).encode()


def said(parse: Callable[[dict[str, Any]], tuple[Any, ...]], result: dict[str, Any]) -> Any:
    """The rows, or what is wrong with which field."""
    try:
        return parse(result)
    except NodeError as error:
        return re.sub("is null, not .*", "is missing", str(error))  # null is the same as absence


@pytest.mark.parametrize("method", LISTS)
def test_recorded_lists_are_read_by_the_short_cut(method: str) -> None:
    name, parse, row_types = LISTS[method]
    found = typed_reply(method, text_of(reply(method)))
    assert found is not None
    result: Any = found["result"]
    assert result[name]
    assert {type(row) for row in result[name]} == row_types
    assert parse(result) == parse(reply(method))
    assert wire._decode(method, text_of(reply(method))) == found


@pytest.mark.parametrize("method", LISTS)
def test_whatever_a_field_holds_both_ways_agree(method: str) -> None:
    name, parse, _ = LISTS[method]
    rows = reply(method)[name]
    compared = taken = 0
    for place, row in enumerate(rows):
        for field in row:
            for odd in ODD:
                changed = copy.deepcopy(rows)
                if odd is NOTHING:
                    del changed[place][field]
                else:
                    changed[place][field] = odd
                result = {name: changed}
                found = wire._decode(method, text_of(result))
                assert said(parse, found["result"]) == said(parse, result), (place, field, odd)
                compared += 1
                taken += typed_reply(method, text_of(result)) is not None
    assert 0 < taken < compared


@pytest.mark.parametrize("method", LISTS)
def test_what_is_no_plain_reply_is_left_to_the_long_way(method: str) -> None:
    name, _, _ = LISTS[method]
    whole = reply(method)
    assert typed_reply("listpeers", text_of(whole)) is None
    assert typed_reply(method, text_of(whole, error=None)) is None
    assert typed_reply(method, text_of(whole, error={"code": 1, "message": "x"})) is None
    assert typed_reply(method, text_of(whole, method="message")) is None
    assert typed_reply(method, text_of({name: {}})) is None
    assert typed_reply(method, text_of([])) is None
    assert typed_reply(method, b'{"id":"one"}') is None
    assert typed_reply(method, text_of(whole)[:-1]) is None
    strange = text_of({name: [{**whole[name][0], "unread": "X"}]})
    assert typed_reply(method, strange) is not None
    assert typed_reply(method, strange.replace(b'"X"', b'"\xff"')) is None
    with pytest.raises(wire.MalformedReplyError, match="UTF-8"):
        wire._decode(method, strange.replace(b'"X"', b'"\xff"'))
    assert typed_reply(method, strange.replace(b'"X"', b"NaN")) is None


def test_instants_are_the_same_to_the_last_bit() -> None:
    row = reply("listforwards")["forwards"][0]
    for number in range(2_000):
        text = f"{1_700_000_000 + number * 86_399.123456789:.{number % 12}f}"
        wanted = float(text)
        sent = text_of({"forwards": [{**row, "received_time": 1}]}).replace(
            b'"received_time": 1', f'"received_time": {text}'.encode()
        )
        found: Any = typed_reply("listforwards", sent)
        (forward,) = parse_forwards.forwards(found["result"])
        assert forward.received_at == wanted
