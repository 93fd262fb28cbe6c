"""Where the code can move money, and whether it has reserved it before: read from the sources, without running them.

Three things are found: every call of the node's RPC, by method; every other way to the node; and whether each function
that calls what moves money has called `ledger.reserve` before, on every path that leads there, or is called by such a
function only. Names stand for functions: of two with the same name, both are meant, so that doubt counts as a fault.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

#: Methods of lightningd v26.06 and of known plugins that pay, open, close, splice, or sign away what is ours.
MONEY: Final = frozenset(
    {
        "pay", "xpay", "sendpay", "keysend", "renepay", "sendonion", "injectpaymentonion", "sendinvoice",
        "fetchinvoice", "withdraw", "multiwithdraw", "fundchannel", "multifundchannel", "fundchannel_start",
        "fundchannel_complete", "openchannel_init", "openchannel_update", "openchannel_signed", "openchannel_bump",
        "splice_init", "splice_update", "splice_signed", "splicein", "spliceout", "dev-splice", "close", "txprepare",
        "txsend", "sendpsbt", "signpsbt", "fundpsbt", "utxopsbt", "funderupdate", "commando", "sling-job", "sling-go",
        "sling-once",
    }
)  # fmt: skip
#: What else sounds like it: methods that nobody knows yet.
_SOUNDS: Final = re.compile(
    r".*pay.*|.*spend.*|.*withdraw.*|.*fund.*|.*openchannel.*|.*splice.*|.*close.*|tx.*|.*psbt.*|.*onion.*|sling-.*"
    r"|.*swap.*|.*boltz.*|.*lease.*|.*rebalance.*|.*send.*"
)


def sounds_like_money(method: str) -> bool:
    """Whether a method by its name may move money."""
    return method in MONEY or bool(_SOUNDS.fullmatch(method.replace("_", "-").lower()))


#: What a `with` of ours doesn't swallow.
_PASSING: Final = frozenset({"transaction", "read", "exclusive", "open_session"})
#: What opens a way to the node, and the modules that may.
_OPENERS: Final[Mapping[str, frozenset[str]]] = {
    "LightningRpc": frozenset({"node/wire.py"}),
    "UnixSocket": frozenset({"node/wire.py"}),
    "BoundedClient": frozenset({"node/wire.py", "node/attempt.py"}),
    "LocalClient": frozenset({"node/attempt.py"}),
}
#: What may only be imported by these.
_FOREIGN: Final[Mapping[str, frozenset[str]]] = {
    # The companion plugin speaks pyln to be spoken to; a test of its own sees to it that it never asks.
    "pyln": frozenset({"node/wire.py", "recorder/plugin.py"}),
    "revops.node.wire": frozenset({"node/attempt.py", "node/faults.py"}),
    "revops.node.attempt": frozenset({"node/rpc.py"}),
    "socket": frozenset({"cycle/find_node.py"}),  # whether somebody listens there: nothing is sent
    # Asks git for the commit of a result; starts the operator's sync.
    "subprocess": frozenset({"cycle/studies.py", "recorder/starter.py"}),
}
#: Of a function with more callers than these nobody can say that all of them have reserved.
_MOST_CALLERS: Final = 10
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Place:
    """A function, or a module outside its functions ("")."""

    module: str
    function: str

    def __str__(self) -> str:
        return f"{self.module}:{self.function}"


class Module:
    """One module's syntax tree, indexed: its functions, its nodes with the innermost function that each stands in, its
    calls by the name of what is called, every other use of a name, and its texts.
    """

    def __init__(self, path: str, tree: ast.Module) -> None:
        self.functions: dict[Place, _Function] = {}
        self.nodes: list[tuple[Place, ast.AST]] = []
        self.calls: dict[str, list[tuple[Place, ast.Call]]] = {}
        self.mentions: dict[str, list[Place]] = {}
        self.texts: dict[str, list[Place]] = {}
        self._read(path, "", "", tree)
        called = {id(call.func) for calls in self.calls.values() for _, call in calls}
        for place, node in self.nodes:
            if isinstance(node, ast.Name | ast.Attribute) and id(node) not in called:
                self.mentions.setdefault(_name(node), []).append(place)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                self.texts.setdefault(node.value, []).append(place)
        self.other_ways = [f"{place}: {fault}" for place, node in self.nodes for fault in _other_way(path, node)]

    def _read(self, path: str, scope: str, function: str, tree: ast.AST) -> None:
        for child in ast.iter_child_nodes(tree):
            place = Place(path, function)
            self.nodes.append((place, child))
            if isinstance(child, ast.Call):
                self.calls.setdefault(_name(child.func), []).append((place, child))
            if isinstance(child, _Function | ast.ClassDef):
                inner = f"{scope}{'.' if scope else ''}{child.name}"
                if isinstance(child, _Function):
                    self.functions[Place(path, inner)] = child
                self._read(path, inner, inner if isinstance(child, _Function) else function, child)
            else:
                self._read(path, scope, function, child)


@dataclass(frozen=True)
class Sources:
    """The package, by module path below `revops/`."""

    modules: Mapping[str, Module]

    def function(self, place: Place) -> _Function | None:
        """The function at a place."""
        return self.modules[place.module].functions.get(place) if place.module in self.modules else None


@dataclass(frozen=True)
class RpcCall:
    """A call of the node's RPC; `method` None where it isn't written out."""

    place: Place
    method: str | None
    node: ast.Call


def rpc_calls(sources: Sources) -> list[RpcCall]:
    """Every call of something that is named `call`."""
    found = []
    for place, node in callers(sources, "call"):
        method = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "method"), None)
        text = method.value if isinstance(method, ast.Constant) else None
        found.append(RpcCall(place, text if isinstance(text, str) else None, node))
    return found


def other_ways(sources: Sources) -> list[str]:
    """Whatever could reach the node, or name what moves money, past the calls that `rpc_calls` lists."""
    return [fault for module in sources.modules.values() for fault in module.other_ways]


def _other_way(module: str, node: ast.AST) -> Iterator[str]:
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or ""]
    for name in names:
        for root, allowed in _FOREIGN.items():
            if (name == root or name.startswith(f"{root}.")) and module not in allowed:
                yield f"imports {name}"
        if name == "revops.node.rpc" and not module.startswith(
            ("node/", "cycle/session.py", "cycle/init.py", "cycle/doctor_node.py")
        ):
            yield f"imports {name}"
    if isinstance(node, ast.Name | ast.Attribute):
        opener = _name(node)
        if opener in _OPENERS and module not in _OPENERS[opener]:
            yield f"uses {opener}"
        if ast.unparse(node).startswith(("os.system", "os.popen", "os.exec", "os.spawn", "os.posix_spawn")):
            yield f"starts a program: {ast.unparse(node)}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        # pyln makes a method of whatever name it is asked for.
        receiver = ast.unparse(node.func.value).lower()
        name = node.func.attr
        if (name in MONEY or name.replace("_", "-") in MONEY) and ("rpc" in receiver or "client" in receiver):
            yield f"calls {ast.unparse(node.func)}"


def texts_of_money(sources: Sources) -> set[tuple[Place, str]]:
    """Every text in the code that is the name of a method that moves money, and where it stands."""
    texts = MONEY | {f" {name}" for name in MONEY} | {f"{name} " for name in MONEY}
    return {
        (place, text)
        for module in sources.modules.values()
        for text in texts & module.texts.keys()
        for place in module.texts[text]
    }


def callers(sources: Sources, name: str) -> list[tuple[Place, ast.Call]]:
    """Every call of something of that name."""
    return [found for module in sources.modules.values() for found in module.calls.get(name, ())]


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


# ---- has it been reserved?


def unreserved(sources: Sources, name: str) -> list[str]:
    """Given a function's name, return where it may be called without a reservation; empty where it never is.

    A call is safe where `ledger.reserve` has returned before, on every path, or where its own function is only called
    so, by a few.
    """
    faults: list[str] = []
    waiting, seen = [name], {name}
    while waiting:
        name = waiting.pop()
        for module in sources.modules.values():
            uses = (*module.mentions.get(name, ()), *module.texts.get(name, ()))
            faults += [f"{place}: mentions {name}" for place in uses]
        for place, call in callers(sources, name):
            function = sources.function(place)
            if function is None:
                faults.append(f"{place}: calls {name} outside any function")
                continue
            if _Paths(call).reserved(function):
                continue
            bare = place.function.rsplit(".", 1)[-1]
            if not 0 < len(callers(sources, bare)) <= _MOST_CALLERS:
                faults.append(f"{place}: calls {name}, and nothing has been reserved")
            elif bare not in seen:
                seen.add(bare)
                waiting.append(bare)
    return faults


def in_transaction(sources: Sources, name: str) -> list[str]:
    """Where something is called inside a transaction: what is reserved in it isn't committed yet."""
    return [
        f"{place}: calls {name} inside a transaction"
        for place, call in callers(sources, name)
        for node in ast.walk(sources.function(place) or ast.Module([], []))
        if isinstance(node, ast.With) and any("transaction" in ast.unparse(item.context_expr) for item in node.items)
        if any(inner is call for inner in ast.walk(node))
    ]


def _is_reserve(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "ledger.reserve"


class _Paths:
    """Walks a function in the order in which it runs. A state says whether every path that leads to here has reserved;
    None: no path leads here.
    """

    def __init__(self, target: ast.Call) -> None:
        self._target = target
        self._states: list[bool] = []

    def reserved(self, function: _Function) -> bool:
        """Whether each way through the function to the target has reserved before."""
        self._block(function.body, False)
        return bool(self._states) and all(self._states)

    def _block(self, statements: list[ast.stmt], state: bool | None) -> bool | None:
        for statement in statements:
            state = self._statement(statement, state)
        return state

    def _statement(self, node: ast.stmt, state: bool | None) -> bool | None:
        if isinstance(node, ast.If):
            self._look(node.test, state)
            return _join(self._block(node.body, state), self._block(node.orelse, state))
        if isinstance(node, ast.With):
            return self._with(node, state)
        if isinstance(node, ast.Try):
            return self._try(node, state)
        if isinstance(node, ast.For | ast.While):
            self._look(node.iter if isinstance(node, ast.For) else node.test, state)
            self._block(node.body, state)
            return _join(state, self._block(node.orelse, state))
        if isinstance(node, ast.Match):
            self._look(node.subject, state)
            for case in node.cases:
                state = _join(state, self._block(case.body, state))
            return state
        if isinstance(node, _Function | ast.ClassDef):
            return state
        self._look(node, state)
        if isinstance(node, ast.Return | ast.Raise | ast.Continue | ast.Break):
            return None
        # Only a statement of its own, or one that keeps the key: a part of an expression may not be reached.
        value = node.value if isinstance(node, ast.Expr | ast.Assign | ast.AnnAssign) else None
        return True if state is not None and value is not None and _is_reserve(value) else state

    def _with(self, node: ast.With, state: bool | None) -> bool | None:
        for item in node.items:
            self._look(item.context_expr, state)
        after = self._block(node.body, state)
        passing = all(
            isinstance(item.context_expr, ast.Call) and _name(item.context_expr.func) in _PASSING for item in node.items
        )
        return after if passing else _join(state, after)

    def _try(self, node: ast.Try, state: bool | None) -> bool | None:
        after = self._block(node.orelse, self._block(node.body, state))
        for handler in node.handlers:  # what was raised may have been raised before anything was reserved
            after = _join(after, self._block(handler.body, state))
        if not node.finalbody:
            return after
        self._block(node.finalbody, state)
        return after

    def _look(self, node: ast.AST, state: bool | None) -> None:
        if any(one is self._target for one in ast.walk(node)):
            # A lambda runs at another time.
            delayed = any(isinstance(one, ast.Lambda) and self._target in ast.walk(one) for one in ast.walk(node))
            self._states.append(bool(state) and not delayed)


def _join(one: bool | None, other: bool | None) -> bool | None:
    if one is None or other is None:
        return other if one is None else one
    return one and other
