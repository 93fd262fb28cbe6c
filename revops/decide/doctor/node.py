"""What is wrong with the node: its socket, its version, what it answers, its plugins, its chain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from revops.decide.doctor.findings import (
    CONFIG,
    FORBIDDEN,
    TEMPORARY,
    UNAVAILABLE,
    error,
    faulty,
    note,
    ok,
    unchecked,
    warning,
)
from revops.domain.health import Fault, Finding, NodeFacts, SocketFacts
from revops.domain.instants import span
from revops.domain.policy import Config

SOCKET: Final = "node.socket"
ANSWER: Final = "node.answer"
VERSION: Final = "node.version"
CHAIN: Final = "node.chain"
REPLIES: Final = "node.replies"
ROUTER: Final = "node.router"
SLING: Final = "node.sling"
BOOKKEEPER: Final = "node.bookkeeper"
CLBOSS: Final = "node.clboss"
ADS: Final = "node.ads"
AUTOCLEAN: Final = "node.autoclean"
#: What a check of the node is called, where none could be made.
OF_THE_NODE: Final = (VERSION, CHAIN, REPLIES, ROUTER, SLING, BOOKKEEPER, CLBOSS, ADS, AUTOCLEAN)

#: A method that answers later than this makes runs slow; cron's lines give it minutes.
_SLOW_SECONDS: Final = 2.0
_DAY_SECONDS: Final = 86_400
#: lightningd deletes what is older: what a sync that comes twice an hour must have found by then.
_SAFE_AGE_SECONDS: Final = 7 * _DAY_SECONDS
#: The options of autoclean that delete what revops copies, and what is lost with it.
_CLEANED: Final = (
    ("autoclean-succeededforwards-age", "settled forwards (found again in the node's ledger)"),
    ("autoclean-failedforwards-age", "failed forwards (from which demand and reputation are learnt)"),
    ("autoclean-succeededpays-age", "payments (by which revops finds its own again after a restored backup)"),
)
_EVENTS_AGE: Final = "autoclean-networkevents-age"
#: Peers are judged by so many days of comings and goings.
_EVENT_DAYS: Final = 7
#: Bits of a socket's mode that let it be opened: for its group, and for everybody.
_GROUP_WRITES, _OTHERS_WRITE = 0o020, 0o002


def socket(facts: SocketFacts, user: str) -> Iterator[Finding]:
    """Given the socket and this user's name, say whether it can be opened, and by whom it should be."""
    if facts.kind == "missing":
        yield error(
            SOCKET, f"there is no socket at {facts.path}",
            "start lightningd, or set node.rpc_path: the file lightning-rpc in the network's folder of lightning-dir",
            UNAVAILABLE,
        )  # fmt: skip
    elif facts.kind == "forbidden":
        yield error(SOCKET, f"{user} may not look at {facts.path}", let_in(user, facts), FORBIDDEN)
    elif facts.kind != "socket":
        yield error(
            SOCKET, f"{facts.path} is not a socket", "set node.rpc_path to the file lightning-rpc beside it", CONFIG
        )
    elif not facts.may_open:
        yield error(
            SOCKET, f"{user} may not open {facts.path} (mode {facts.mode:04o}, of {facts.owner}:{facts.group})",
            let_in(user, facts), FORBIDDEN,
        )  # fmt: skip
    elif facts.mode & _OTHERS_WRITE:
        yield warning(
            SOCKET, f"everybody on this machine may open {facts.path}, and so spend what the node has",
            "set rpc-file-mode=0660 (or 0600) in lightningd's configuration, and restart it",
        )  # fmt: skip
    else:
        yield ok(SOCKET, f"{user} may open {facts.path}")


def let_in(user: str, facts: SocketFacts, command: str = "doctor") -> str:
    """Given a user whom a socket is closed to, return what lets them in; `command` is what they were about to run."""
    owner = facts.owner or "OWNER"
    lead = f"run revops as {owner}, lightningd's user (`sudo -u {owner} revops {command}`), or"
    join = f"`sudo usermod -aG {facts.group or owner} {user}`, then log in again"
    if facts.mode & _GROUP_WRITES:
        return f"{lead} join the socket's group: {join}"
    return f"{lead} set rpc-file-mode=0660 in lightningd's configuration, restart it, and join its group: {join}"


def answer(facts: NodeFacts | Fault) -> Iterator[Finding]:
    """Given what came of asking the node, say whether it answers, and how fast."""
    if isinstance(facts, Fault):
        yield faulty(ANSWER, facts)
    elif facts.slowest_seconds > _SLOW_SECONDS:
        yield warning(
            ANSWER, f"{facts.slowest_method} took the node {facts.slowest_seconds:.1f} s",
            "look at the node's load and its log; runs wait for it, and keep others waiting",
        )  # fmt: skip
    else:
        yield ok(ANSWER, f"{facts.info.alias or facts.info.node_id[:12]} answers on {facts.info.network}")


def version(facts: NodeFacts) -> Iterator[Finding]:
    """Given the node, say whether its version is supported."""
    if facts.version_fault is not None:
        yield error(VERSION, facts.version_fault, "update Core Lightning; every command refuses this one", CONFIG)
    elif facts.version_warning is not None:
        yield note(VERSION, facts.version_warning, "replies are checked strictly; look whether revops has an update")
    else:
        yield ok(VERSION, f"lightningd {facts.info.version}")


def chain(facts: NodeFacts) -> Iterator[Finding]:
    """Given the node, say whether it is up to date with the chain."""
    if facts.info.sync_warning is not None:
        yield error(
            CHAIN, f"the node is behind the chain: {facts.info.sync_warning}",
            "wait, and look at bitcoind if it lasts; meanwhile nothing is written to the node", TEMPORARY,
        )  # fmt: skip
    else:
        yield ok(CHAIN, f"block {facts.info.blockheight:,}")


def replies(facts: NodeFacts) -> Iterator[Finding]:
    """Given the node, say which of the methods that a sync needs gave no answer that it could use."""
    for fault in facts.faults:
        yield faulty(
            REPLIES, fault, "every sync would stop here; after an update of lightningd look whether revops has one, too"
        )
    if not facts.faults:
        yield ok(REPLIES, "all that a sync reads is there and has the form it should have")


def plugins(facts: NodeFacts, config: Config) -> Iterator[Finding]:
    """Given the node and the configuration, say which plugins are there, and which that is asked for isn't."""
    if facts.methods is None:
        for check in (ROUTER, SLING, BOOKKEEPER, CLBOSS):
            yield unchecked(check, "the node doesn't tell its methods (help)")
        return
    executor = config.rebalance.executor
    yield from _router(facts, executor)
    yield from _sling(facts, executor)
    on = any(name.startswith("bkpr-") for name in facts.methods)
    yield ok(BOOKKEEPER, f"bookkeeper is {'on' if on else 'off'}; revops never asks it, and needs it for nothing")
    yield from _clboss(facts, config)


def _router(facts: NodeFacts, executor: str) -> Iterator[Finding]:
    lacking = sorted({"getroutes", "askrene-listlayers"} - (facts.methods or frozenset()))
    if not lacking:
        yield ok(ROUTER, "askrene is there")
    elif executor in {"auto", "native"}:
        yield warning(
            ROUTER,
            f"the plugin askrene is disabled or has died ({', '.join(lacking)}): no rebalance can be priced",
            'start lightningd with askrene, or set rebalance.executor = "none"',
        )  # fmt: skip
    else:
        yield note(ROUTER, f"askrene is not there ({', '.join(lacking)})")


def _sling(facts: NodeFacts, executor: str) -> Iterator[Finding]:
    if facts.sling_fault is not None and executor == "sling":
        yield error(SLING, facts.sling_fault, 'update sling, or set rebalance.executor = "auto"', CONFIG)
    elif facts.sling_fault is not None:
        yield note(SLING, f"{facts.sling_fault}; it isn't needed")
    elif facts.sling_version is not None:
        yield ok(SLING, f"sling {facts.sling_version}")
    elif executor == "sling":
        yield error(
            SLING, 'rebalance.executor is "sling", and the plugin isn\'t there',
            'start it (`lightning-cli plugin start PATH`), or set rebalance.executor = "auto"', CONFIG,
        )  # fmt: skip
    else:
        yield ok(SLING, "sling isn't there, and isn't needed")


def _clboss(facts: NodeFacts, config: Config) -> Iterator[Finding]:
    runs = "clboss-status" in (facts.methods or frozenset())
    acting = [
        tag
        for tag, acts in (("lnfee", config.fees.mode == "act"), ("balance", config.rebalance.mode == "act"))
        if acts and tag not in config.clboss.unmanage
    ]
    if runs and acting:
        yield warning(
            CLBOSS, f"CLBOSS runs as well, and isn't told to leave {' and '.join(acting)} to revops: they fight",
            f"add {' and '.join(acting)} to clboss.unmanage, or stop CLBOSS; `revops clboss status` shows what it has",
        )  # fmt: skip
    elif runs:
        yield note(CLBOSS, "CLBOSS runs as well", "`revops clboss status` shows what it leaves to revops")
    elif config.clboss.unmanage:
        yield note(CLBOSS, "clboss.unmanage is set, and CLBOSS isn't there")
    else:
        yield ok(CLBOSS, "CLBOSS isn't there")


def ads(facts: NodeFacts, config: Config) -> Iterator[Finding]:
    """Given the node and the configuration, say whether it can lend what it is asked to offer."""
    if facts.dual_fund:
        yield ok(ADS, "lightningd runs with experimental-dual-fund")
    elif config.ads.mode == "act":
        yield warning(
            ADS, 'ads.mode is "act", but lightningd runs without experimental-dual-fund: nothing will ever be offered',
            'start lightningd with experimental-dual-fund, or set ads.mode = "observe"',
        )  # fmt: skip
    else:
        yield ok(ADS, "lightningd runs without experimental-dual-fund, and it isn't needed")


def autoclean(facts: NodeFacts) -> Iterator[Finding]:
    """Given the node's options, say what it deletes before, or soon after, a sync has seen it."""
    found = False
    for option, what in _CLEANED:
        age_seconds = facts.settings.get(option, 0)
        if 0 < age_seconds < _SAFE_AGE_SECONDS:
            found = True
            yield warning(
                AUTOCLEAN, f"{option}={age_seconds}: the node deletes {what} after {span(age_seconds)}",
                f"set {option}={_SAFE_AGE_SECONDS} or more in lightningd's configuration, so that no sync misses any",
            )  # fmt: skip
    events_seconds = facts.settings.get(_EVENTS_AGE, 0)
    if 0 < events_seconds < _EVENT_DAYS * _DAY_SECONDS:
        found = True
        yield note(
            AUTOCLEAN, f"{_EVENTS_AGE}={events_seconds}: how steady peers are is judged by {_EVENT_DAYS} days",
            f"set it to {_EVENT_DAYS * _DAY_SECONDS} or more, so that nothing is missed while cron is stopped",
        )  # fmt: skip
    if not found:
        yield ok(AUTOCLEAN, "the node deletes nothing before revops has copied it")


def not_asked(because: str) -> Iterator[Finding]:
    """Given why the node couldn't be asked, say of each check of it that it wasn't made."""
    for check in OF_THE_NODE:
        yield unchecked(check, because)
