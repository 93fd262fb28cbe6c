"""No call that can move money without a reservation in the spend ledger before it.

The list below is reviewed by people. Whoever calls a method that isn't on it, or one that moves money from another
place, fails here; and that the places on it reserve before they send is proved from the sources, not believed.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from revops.node.methods import METHODS
from tests.architecture import money_calls as money
from tests.architecture.money_calls import Module, Place, Sources

PACKAGE: Final = Path(__file__).parents[2] / "revops"

READS: Final = "changes nothing"
#: Every method that revops may call: that it only reads, or why what it changes costs nothing, or what guards it. The
#: simulated node (`revops/sim/`) answers these methods and calls none.
REVIEWED: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            "getinfo", "listpeerchannels", "listfunds", "listclosedchannels", "listnodes", "listpeers", "listforwards",
            "listchannelmoves", "listchainmoves", "listnetworkevents", "wait", "feerates", "listconfigs",
            "listchannels", "getroutes", "askrene-listlayers", "listinvoices", "waitsendpay", "listsendpays",
            "sling-version", "sling-jobsettings", "sling-stats", "clboss-status", "help",
        ),
        READS,
    ),
    "setchannel": "a fee or a largest payment: what others pay us",
    "askrene-create-layer": "what getroutes is told", "askrene-disable-node": "what getroutes is told",
    "askrene-inform-channel": "what getroutes is told", "askrene-age": "what getroutes is told",
    "askrene-remove-layer": "what getroutes is told",
    "invoice": "lets others pay us; a payment to it is a sendpay", "delinvoice": "so that nobody pays it any more",
    "clboss-unmanage": "what CLBOSS leaves alone: it spends less by that; given back, what it spent before",
    "sling-stop": "ends what sling-once began: a cure",
    "disconnect": "ends a negotiation that hangs: the peers connect again",
    "sendpay": "guarded", "sling-once": "guarded", "dev-splice": "guarded", "funderupdate": "offered",
}  # fmt: skip

#: What moves money: the function that makes the call, who may call that, and the category of its reservation.
GUARDED: Final[dict[str, tuple[Place, frozenset[Place], str]]] = {
    "sendpay": (
        Place("node/writer.py", "NodeWriter.send_pay"),
        frozenset({Place("actuate/native.py", "NativeExecutor._send")}),
        "rebalance",
    ),
    "sling-once": (
        Place("node/writer.py", "NodeWriter.sling_once"),
        frozenset({Place("actuate/sling.py", "SlingExecutor.start")}),
        "rebalance",
    ),
    # Whoever has it run a script, in a dry run too: what that would do costs nothing, and comes after the reservation.
    "dev-splice": (
        Place("node/writer.py", "NodeWriter._run_script"),
        frozenset(
            {Place("node/writer.py", "NodeWriter.preview_splice"), Place("node/writer.py", "NodeWriter.make_splice")}
        ),
        "splice",
    ),
}
#: What lends our money to whoever takes the offer: the function that makes the call, who may call that, and what else
#: may name it. Nothing of it is spent, and nobody reserves: what is lent is bounded before, in `actuate/ads.py`.
OFFERED: Final[dict[str, tuple[Place, frozenset[Place], frozenset[Place]]]] = {
    "funderupdate": (
        Place("node/writer.py", "NodeWriter.offer_leases"),
        frozenset(
            {
                Place("actuate/ads.py", "AdsKeeper.in_force"),
                Place("actuate/ads.py", "AdsKeeper.apply"),
                Place("actuate/ads.py", "AdsKeeper._send"),
            }
        ),
        frozenset({Place("store/ads.py", "")}),
    ),
}
#: Pass on a method that their callers name; `Rpc.call` lets none through that isn't in METHODS.
FORWARDERS: Final = frozenset(
    {
        Place("node/attempt.py", "attempt"),
        Place("node/reader.py", "NodeReader._page"),
        Place("node/reader.py", "NodeReader._call_or_none"),
    }
)
#: The list of what may be called, and parsers that name the method in their errors.
NAMING: Final = ("node/methods.py", "node/parse_")


@cache
def _parsed() -> dict[str, Module]:
    return {
        (name := str(path.relative_to(PACKAGE))): Module(name, ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] != "sim"
    }


def read_package(**planted: str) -> Sources:
    """The package without the simulated node; `planted` sources stand beside it, or instead, by module ("a__b")."""
    names = {f"{name.replace('__', '/')}.py": text for name, text in planted.items()}
    return Sources(_parsed() | {name: Module(name, ast.parse(text)) for name, text in names.items()})


def only(name: str, text: str) -> Sources:
    """A package of one module."""
    return Sources({name: Module(name, ast.parse(text))})


def faults(sources: Sources) -> list[str]:
    """All that speaks against the code; empty where nothing does."""
    found = money.other_ways(sources)
    for call in money.rpc_calls(sources):
        if call.method is None:
            if call.place not in FORWARDERS:
                found.append(f"{call.place}: calls a method that isn't written out")
        elif call.method not in REVIEWED:
            found.append(f"{call.place}: calls {call.method}, which nobody has reviewed")
        elif call.method in GUARDED and call.place != GUARDED[call.method][0]:
            found.append(f"{call.place}: calls {call.method} past {GUARDED[call.method][0]}")
        elif call.method in OFFERED and call.place != OFFERED[call.method][0]:
            found.append(f"{call.place}: calls {call.method} past {OFFERED[call.method][0]}")
    for place, text in money.texts_of_money(sources):
        guard, offer = GUARDED.get(text.strip()), OFFERED.get(text.strip())
        if offer is not None and (place == offer[0] or place in offer[2]):
            continue
        if not place.module.startswith(NAMING) and (guard is None or place != guard[0]):
            found.append(f"{place}: names {text}")
    for method, (maker, senders, _) in GUARDED.items():
        if sources.function(maker) is None:
            continue
        name = maker.function.rsplit(".", 1)[-1]
        found += [f"{place}: sends by {method}" for place, _ in money.callers(sources, name) if place not in senders]
        found += money.unreserved(sources, name) + money.in_transaction(sources, name)
    for method, (maker, senders, _) in OFFERED.items():
        calling = money.callers(sources, maker.function.rsplit(".", 1)[-1])
        found += [f"{place}: lends by {method}" for place, _ in calling if place not in senders]
    return sorted(set(found))


def test_nothing_moves_money_without_a_reservation() -> None:
    assert faults(read_package()) == []


def test_every_method_is_reviewed() -> None:
    assert set(METHODS) <= set(REVIEWED), "say in REVIEWED what it can cost, and in GUARDED what guards it"


def test_the_review_agrees_with_what_the_code_says_of_itself() -> None:
    for method, entry in METHODS.items():
        assert entry.writes == (REVIEWED[method] != READS), method
    for method, said in REVIEWED.items():
        assert (said == "guarded") == (method in GUARDED), method
        assert (said == "offered") == (method in OFFERED), method
        harmless = method in {"listsendpays", "waitsendpay", "listfunds", "listclosedchannels"} or said == READS
        assert (
            method in {*GUARDED, *OFFERED} or harmless or not money.sounds_like_money(method) or method == "sling-stop"
        ), method


def test_what_is_proved_is_really_there() -> None:
    """A proof about functions that don't exist would hold whatever anybody writes."""
    sources = read_package()
    for method, (maker, senders, _) in GUARDED.items():
        if method in METHODS:
            assert sources.function(maker) is not None
            calling = {place for place, _ in money.callers(sources, maker.function.rsplit(".", 1)[-1])}
            assert calling == senders
    for maker, senders, _ in OFFERED.values():
        assert sources.function(maker) is not None
        calling = {place for place, _ in money.callers(sources, maker.function.rsplit(".", 1)[-1])}
        assert calling == senders
    assert {call.place for call in money.rpc_calls(sources) if call.method is None} == FORWARDERS


# ---- planted bypasses: each must be found

HEAD = "from revops.store import ledger\n"
SENDER = """
class Other:
    def go(self, tx, prepared):
{body}
"""


def sender(*lines: str) -> str:
    return HEAD + SENDER.format(body="\n".join(f"        {line}" for line in lines))


SEND = "self.writer.send_pay(prepared.route, '', '', '')"
RESERVE = "key = ledger.reserve(tx, run_key=1, job_key=1, amount_msat=1, at=0.0, limits=(1, 1))"


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ({"node__more": "def f(self):\n    self._rpc.call('pay', {})"}, "nobody has reviewed"),
        ({"node__more": "def f(self):\n    self._rpc.call('xpay', {})"}, "names xpay"),
        ({"node__more": "def f(self):\n    self._rpc.call(method='withdraw')"}, "nobody has reviewed"),
        ({"node__more": "def f(self):\n    self._rpc.call('sendpay', {})"}, "past node/writer.py"),
        ({"node__more": "def f(self, m):\n    self._rpc.call(m, {})"}, "isn't written out"),
        ({"node__more": "def f(self):\n    self._rpc.call(*['a'])"}, "isn't written out"),
        ({"node__more": "def f(self):\n    c = self._rpc.call\n    c('keysend')"}, "names keysend"),
        ({"node__more": "c = rpc.call\nc('pay')"}, "names pay"),
        ({"node__more": "def f(self):\n    self.rpc.pay('lnbc')"}, "calls self.rpc.pay"),
        ({"actuate__more": "from pyln.client import LightningRpc"}, "imports pyln"),
        ({"actuate__more": "import subprocess"}, "imports subprocess"),
        ({"actuate__more": "import os\nos.system('lightning-cli stop')"}, "starts a program"),
        ({"actuate__more": "from revops.node.rpc import Rpc"}, "imports revops.node.rpc"),
        ({"actuate__more": "from revops.node.attempt import attempt"}, "imports revops.node.attempt"),
        # Somebody else sends.
        ({"actuate__more": sender(RESERVE, SEND)}, "Other.go: sends by sendpay"),
        ({"actuate__more": "def f(writer):\n    writer.send_pay()"}, "nothing has been reserved"),
        ({"actuate__more": "writer.send_pay()"}, "outside any function"),
        ({"actuate__more": "def f(writer):\n    return writer.send_pay"}, "mentions send_pay"),
        ({"actuate__more": "def f(writer):\n    getattr(writer, 'send_pay')()"}, "mentions send_pay"),
        # It reserves, but not on every path, or not before, or not for sure.
        ({"actuate__more": sender(SEND, RESERVE)}, "nothing has been reserved"),
        ({"actuate__more": sender(f"if tx: {RESERVE}", SEND)}, "nothing has been reserved"),
        ({"actuate__more": sender(f"for _ in tx: {RESERVE}", SEND)}, "nothing has been reserved"),
        ({"actuate__more": sender(f"while tx: {RESERVE}", SEND)}, "nothing has been reserved"),
        ({"actuate__more": sender("try:", f"    {RESERVE}", "except E:", "    pass", SEND)}, "nothing has been"),
        ({"actuate__more": sender("with suppress(E):", f"    {RESERVE}", SEND)}, "nothing has been reserved"),
        ({"actuate__more": sender(f"f = lambda: {RESERVE[6:]}", SEND)}, "nothing has been reserved"),
        ({"actuate__more": sender(f"tx and {RESERVE[6:]}", SEND)}, "nothing has been reserved"),
        ({"actuate__more": sender("def inner():", f"    {RESERVE}", SEND)}, "nothing has been reserved"),
        ({"actuate__more": sender("match tx:", "    case 1:", f"        {RESERVE}", SEND)}, "nothing has been"),
        ({"actuate__more": sender("db.reserve(tx)", SEND)}, "nothing has been reserved"),
        ({"actuate__more": sender(RESERVE, "with db.transaction(1):", f"    {SEND}")}, "inside a transaction"),
    ],
)  # fmt: skip
def test_a_planted_bypass_is_found(planted: dict[str, str], said: str) -> None:
    found = faults(read_package(**planted))
    assert any(said in fault for fault in found), found


def test_a_reservation_that_is_taken_out_of_the_executor_is_missed() -> None:
    text = (PACKAGE / "actuate" / "native.py").read_text(encoding="utf-8")
    assert text.count("ledger.reserve(") == 1
    found = faults(read_package(actuate__native=text.replace("ledger.reserve(", "ledger.totals(")))
    assert any("nothing has been reserved" in fault for fault in found)


@pytest.mark.parametrize(
    "lines",
    [
        (RESERVE, SEND),
        ("with self.database.transaction(1) as tx:", f"    {RESERVE}", SEND),
        ("try:", f"    {RESERVE}", "except E as e:", "    return e", SEND),
        ("try:", f"    {RESERVE}", "except E:", "    raise", "else:", "    pass", SEND),
        (f"if tx: {RESERVE}", "else: return None", SEND),
        (f"if tx: {RESERVE}", f"else: {RESERVE}", SEND),
        (RESERVE, "for one in tx:", f"    {SEND}"),
        (RESERVE, "if tx:", f"    {SEND}", "else:", f"    {SEND}"),
        ("if tx:", "    return None", RESERVE, f"return {SEND}"),
    ],
)
def test_what_has_reserved_on_every_path_is_believed(lines: tuple[str, ...]) -> None:
    sources = only("actuate/more.py", sender(*lines))
    assert money.unreserved(sources, "send_pay") == []


def test_callers_may_have_reserved_all_of_them() -> None:
    text = HEAD + "def send(writer):\n    writer.send_pay()\n" + f"def one(tx, w):\n    {RESERVE}\n    send(w)\n"
    assert money.unreserved(only("a.py", text), "send_pay") == []
    other = text + "def two(w):\n    send(w)\n"
    assert money.unreserved(only("a.py", other), "send_pay") == ["a.py:two: calls send, and nothing has been reserved"]
