"""The list of methods: what it must hold, what it must never hold, and that the layer uses nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import revops.node
from revops.errors import BugError
from revops.node.methods import METHODS, permitted

FEES = {"fees adjust", "fees set", "fees unset"}
COMMANDS = FEES | {
    "sync", "rebalance plan", "rebalance run", "rollup", "reconcile", "init", "doctor", "experiment start",
    "experiment stop", "clboss status", "clboss release", "splice plan", "splice run", "ads adjust",
}  # fmt: skip
ACTING = FEES | {"rebalance plan", "rebalance run"}
WRITING = {
    "setchannel": FEES,
    "funderupdate": {"ads adjust"},
    "invoice": {"rebalance run"},
    "delinvoice": {"rebalance run"},
    "sendpay": {"rebalance run"},
    "askrene-create-layer": {"rebalance plan", "rebalance run"},
    "askrene-disable-node": {"rebalance plan", "rebalance run"},
    "askrene-inform-channel": {"rebalance run"},
    "askrene-remove-layer": {"rebalance plan"},
    "askrene-age": {"rebalance plan", "rebalance run"},
    "clboss-unmanage": FEES | {"rebalance run", "clboss release"},
    "dev-splice": {"splice run"},
    "disconnect": {"splice run"},
    "sling-once": {"rebalance run"},
    "sling-stop": {"rebalance run"},
}


def test_exactly_these_methods_write_and_only_these_commands_may() -> None:
    assert {name: set(entry.commands) for name, entry in METHODS.items() if entry.writes} == WRITING


def test_commands_are_known() -> None:
    named = set().union(*(entry.commands for entry in METHODS.values()))
    assert ACTING | {"sync"} <= named <= COMMANDS


def test_every_command_that_may_act_may_sync() -> None:
    for entry in METHODS.values():
        if "sync" in entry.commands:
            assert entry.commands >= ACTING


@pytest.mark.parametrize(
    "pattern", ["bkpr-", "setconfig", "autoclean", "close", "withdraw", "sql", "stop", "del(?!inv)"]
)
def test_what_can_hurt_the_node_is_not_listed(pattern: str) -> None:
    assert not [name for name in METHODS if re.match(pattern, name)]


def test_every_method_that_the_code_names_is_listed_and_every_listed_one_is_used() -> None:
    folder = Path(next(iter(revops.node.__path__)))
    source = "".join(path.read_text() for path in (*folder.glob("reader*.py"), folder / "writer.py"))
    calls = r"""(?:\.call|_page|_call_or_none)\(\s*["']([a-z-]+)["']"""
    assert set(re.findall(calls, source)) == set(METHODS)


def test_refusals_name_the_method_and_the_command() -> None:
    with pytest.raises(BugError, match=r"setconfig: .*list"):
        permitted("setconfig", "sync", writes_allowed=True)
    with pytest.raises(BugError, match=r"sendpay: .*`revops sync`"):
        permitted("sendpay", "sync", writes_allowed=True)
    with pytest.raises(BugError, match=r"sendpay: .*only look"):
        permitted("sendpay", "rebalance run", writes_allowed=False)
    assert permitted("getroutes", "rebalance run", writes_allowed=False).writes is False
