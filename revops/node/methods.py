"""Every RPC method that revops may call, which command needs it, and whether it writes. Anything else is refused.

This list is the answer to "what can this tool do to my node?". Some methods are missing on purpose:
`bkpr-listbalances` and `setconfig` can stop lightningd (CLN issues 9487 and 9351), and `autoclean-*` deletes records
that we have yet to copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from revops.errors import BugError


@dataclass(frozen=True, slots=True)
class Method:
    """What a method may be used for."""

    writes: bool
    commands: frozenset[str]
    #: The result is a bare list, not an object.
    lists: bool = False


_FEES: Final = frozenset({"fees adjust", "fees set", "fees unset"})
_SYNCING: Final = _FEES | {
    "sync", "rebalance plan", "rebalance run", "rollup", "reconcile", "experiment start", "experiment stop",
    "splice plan", "splice run", "ads adjust",
}  # fmt: skip
_DOCTOR: Final = frozenset({"doctor"})
_LOOKING: Final = _SYNCING | _DOCTOR | {"init"}
_CLBOSS: Final = frozenset({"clboss status", "clboss release"})
_RUN: Final = frozenset({"rebalance run"})
_SPLICE: Final = frozenset({"splice run"})
_ADS: Final = frozenset({"ads adjust"})
_ROUTING: Final = _RUN | {"rebalance plan"}

METHODS: Final[Mapping[str, Method]] = {
    # what sync copies; every command that may act starts with it
    "getinfo": Method(writes=False, commands=_LOOKING | _CLBOSS),
    "listpeerchannels": Method(writes=False, commands=_LOOKING | _CLBOSS),
    "listfunds": Method(writes=False, commands=_LOOKING),
    "listclosedchannels": Method(writes=False, commands=_SYNCING | _DOCTOR),
    "listnodes": Method(writes=False, commands=_SYNCING),
    "listforwards": Method(writes=False, commands=_LOOKING),
    "listchannelmoves": Method(writes=False, commands=_SYNCING | _DOCTOR),
    "listchainmoves": Method(writes=False, commands=_SYNCING | _DOCTOR),
    "listnetworkevents": Method(writes=False, commands=_SYNCING | _DOCTOR),
    "wait": Method(writes=False, commands=_LOOKING),
    "feerates": Method(writes=False, commands=_SYNCING | _DOCTOR),
    # settings of the node that bound what we send, and what it deletes of its own records
    "listconfigs": Method(writes=False, commands=_ROUTING | _DOCTOR | _ADS | _SPLICE | {"splice plan"}),
    # which methods there are, and so which plugins: `plugin list` would tell, but `plugin` can stop them, too
    "help": Method(writes=False, commands=_DOCTOR),
    # which peers signal splicing
    "listpeers": Method(writes=False, commands=_SPLICE | _ADS | {"splice plan"}),
    # splices: the call that bounds the feerate, and what ends a negotiation of which nothing is heard
    "dev-splice": Method(writes=True, commands=_SPLICE),
    "disconnect": Method(writes=True, commands=_SPLICE),
    # fees: what others charge into a peer
    "listchannels": Method(writes=False, commands=frozenset({"fees adjust"})),
    "setchannel": Method(writes=True, commands=_FEES),
    # liquidity ads: what is lent, and for how much. Without parameters it writes, too: it announces the rates anew
    "funderupdate": Method(writes=True, commands=_ADS),
    # routes
    "getroutes": Method(writes=False, commands=_ROUTING),
    "askrene-listlayers": Method(writes=False, commands=_ROUTING),
    "askrene-create-layer": Method(writes=True, commands=_ROUTING),
    "askrene-disable-node": Method(writes=True, commands=_ROUTING),
    "askrene-inform-channel": Method(writes=True, commands=_RUN),
    "askrene-remove-layer": Method(writes=True, commands=frozenset({"rebalance plan"})),
    "askrene-age": Method(writes=True, commands=_ROUTING),
    # circular payments
    "invoice": Method(writes=True, commands=_RUN),
    "delinvoice": Method(writes=True, commands=_RUN),
    "listinvoices": Method(writes=False, commands=_RUN),
    "sendpay": Method(writes=True, commands=_RUN),
    "waitsendpay": Method(writes=False, commands=_RUN),
    "listsendpays": Method(writes=False, commands=_RUN),
    # another tool on the node: what it leaves to us, where [clboss] asks for that
    "clboss-status": Method(writes=False, commands=_FEES | _RUN | _CLBOSS),
    "clboss-unmanage": Method(writes=True, commands=_FEES | _RUN | {"clboss release"}),
    # the plugin sling. What the operator has set up there can be neither deleted nor overwritten: that isn't listed
    "sling-version": Method(writes=False, commands=_RUN | _DOCTOR),
    "sling-jobsettings": Method(writes=False, commands=_RUN),
    "sling-stats": Method(writes=False, commands=_RUN, lists=True),
    "sling-once": Method(writes=True, commands=_RUN),
    "sling-stop": Method(writes=True, commands=_RUN),
}


def permitted(method: str, command: str, *, writes_allowed: bool) -> Method:
    """Given a method and the command that wants it, return its entry. Raise BugError where it may not be called."""
    entry = METHODS.get(method)
    if entry is None:
        raise BugError(f"{method}: not on the list of methods that revops may call; please report this")
    if command not in entry.commands:
        raise BugError(f"{method}: not listed for `revops {command}`; please report this")
    if entry.writes and not writes_allowed:
        raise BugError(f"{method}: changes the node, and this run may only look; please report this")
    return entry
