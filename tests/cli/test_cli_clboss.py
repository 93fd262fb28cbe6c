"""`revops clboss`: what a person sees."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

import revops.cycle
from revops.cli.main import main
from revops.domain.clboss import ClbossChange, ClbossOutcome, ClbossPeer, ClbossRelease, ClbossStatus
from tests.builders import NOW, node_id

STATUS = ClbossStatus(
    taken_at=NOW,
    present=True,
    tags=("lnfee", "balance"),
    idle=("balance",),
    peers=(
        ClbossPeer(node_id(1), "evil\x1b[2J", ("close", "lnfee"), ("lnfee",), NOW - 7_200, ()),
        ClbossPeer(node_id(2), None, (), (), None, ("lnfee",)),
    ),
)
GIVEN = ClbossRelease(NOW, True, (ClbossChange(node_id(1), (), ("balance", "lnfee"), ClbossOutcome.DONE),), ("lnfee",))


@pytest.fixture
def cycle(monkeypatch: pytest.MonkeyPatch) -> Any:
    def install(name: str, value: object) -> list[Any]:
        calls: list[Any] = []

        def run(_options: object, *arguments: object) -> object:
            calls.append(arguments)
            return value

        monkeypatch.setattr(revops.cycle, "clboss", SimpleNamespace(**{name: run}), raising=False)
        return calls

    return install


def test_status_says_whose_each_tag_is(cycle: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cycle("status", STATUS)
    assert main(["clboss", "status"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    lines = out.splitlines()
    assert lines[0] == "[clboss] unmanage: lnfee, balance"
    assert lines[1].startswith("balance isn't taken as long as rebalance.mode isn't")
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.strip()}
    assert rows["evil\\x1b[2J"] == [f"({node_id(1)[:12]})", "close,", "lnfee", "lnfee", "2", "h", "ago", "-"]
    assert rows[node_id(2)[:12]] == ["-", "-", "-", "lnfee"]
    assert main(["clboss", "status", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["peers"][0] == {
        "peer_id": node_id(1), "alias": "evil\x1b[2J", "unmanaged": ["close", "lnfee"], "ours": ["lnfee"],
        "taken_at": NOW - 7_200, "wanted": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (ClbossStatus(NOW, False, (), (), ()), "CLBOSS isn't running on this node"),
        (ClbossStatus(NOW, True, (), (), ()), "CLBOSS manages all peers"),
        (ClbossStatus(NOW, True, (), (), ()), "[clboss] unmanage names nothing"),
    ],
)
def test_status_of_nothing(cycle: Any, capsys: pytest.CaptureFixture[str], value: ClbossStatus, text: str) -> None:
    cycle("status", value)
    assert main(["clboss", "status"]) == 0
    assert text in capsys.readouterr().out


def test_release_says_what_was_given_back_and_what_comes_again(cycle: Any, capsys: pytest.CaptureFixture[str]) -> None:
    calls = cycle("release", GIVEN)
    assert main(["clboss", "release", node_id(1)]) == 0
    assert calls == [((node_id(1),),)]
    assert capsys.readouterr().out.splitlines() == [
        "given back to CLBOSS: 1 peer",
        f"{node_id(1)[:12]}: balance, lnfee",
        "[clboss] unmanage still names lnfee: the next run takes it again, unless you remove it",
    ]
    assert main(["clboss", "release", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("would be given back to CLBOSS: 1 peer")
    cycle("release", ClbossRelease(NOW, True, (), ()))
    assert main(["clboss", "release"]) == 0
    assert "there is nothing to give back" in capsys.readouterr().out
    cycle("release", ClbossRelease(NOW, False, (), ()))
    assert main(["clboss", "release"]) == 0
    assert "isn't running" in capsys.readouterr().out


def test_no_line_is_a_peer_s_whole_id_and_its_alias_is_escaped(cycle: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cycle("release", replace(GIVEN, aliases={node_id(1): "evil\x1b[2J"}))
    assert main(["clboss", "release"]) == 0
    out = capsys.readouterr().out
    assert f"evil\\x1b[2J ({node_id(1)[:12]}): balance, lnfee" in out.splitlines()
    assert node_id(1) not in out
    assert main(["clboss", "release", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changes"][0]["peer_id"] == node_id(1)
