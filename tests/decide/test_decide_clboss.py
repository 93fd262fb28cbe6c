"""Which tags CLBOSS should leave to us."""

from __future__ import annotations

from typing import Literal

import pytest

from revops.decide.clboss import Interest, idle_tags, missing_tags, wanted_tags
from revops.domain.policy import ClbossConfig, ClbossTag, Config, FeesConfig, Mode, NodeConfig, RebalanceConfig


def config(
    *tags: ClbossTag, fees: Mode = "act", rebalance: Mode = "act", executor: Literal["auto", "none"] = "auto"
) -> Config:
    return Config(
        node=NodeConfig(rpc_path="/x"),
        fees=FeesConfig(mode=fees),
        rebalance=RebalanceConfig(mode=rebalance, executor=executor),
        clboss=ClbossConfig(unmanage=tags),
    )


BOTH: tuple[ClbossTag, ...] = ("lnfee", "balance")
CHANNELS = (
    Interest("a", priced=True, rebalanced=True),
    Interest("b", priced=False, rebalanced=True),
    Interest("c", priced=True, rebalanced=False),
    Interest("d", priced=False, rebalanced=False),
    # Two channels of one peer: CLBOSS knows only the peer.
    Interest("e", priced=False, rebalanced=False),
    Interest("e", priced=True, rebalanced=False),
)


@pytest.mark.parametrize(
    ("named", "wanted", "idle"),
    [
        (config(), {}, ()),
        (
            config(*BOTH),
            {"a": set(BOTH), "b": {"balance"}, "c": {"lnfee"}, "e": {"lnfee"}},
            (),
        ),
        (config("lnfee"), {"a": {"lnfee"}, "c": {"lnfee"}, "e": {"lnfee"}}, ()),
        (config("balance"), {"a": {"balance"}, "b": {"balance"}}, ()),
        (config(*BOTH, fees="observe"), {"a": {"balance"}, "b": {"balance"}}, ("lnfee",)),
        (config("lnfee", rebalance="observe"), {"a": {"lnfee"}, "c": {"lnfee"}, "e": {"lnfee"}}, ()),
        (config("balance", executor="none"), {}, ("balance",)),
        (config("balance", rebalance="observe"), {}, ("balance",)),
    ],
)
def test_wanted_is_what_is_named_and_acted_on(
    named: Config, wanted: dict[str, set[str]], idle: tuple[str, ...]
) -> None:
    assert wanted_tags(named, CHANNELS) == wanted
    assert idle_tags(named) == idle


def test_missing_is_what_clboss_still_manages() -> None:
    wanted = {"a": frozenset(BOTH), "b": frozenset({"lnfee"}), "c": frozenset({"lnfee"})}
    listed = {"a": frozenset({"lnfee", "close"}), "b": frozenset({"lnfee"}), "z": frozenset({"open"})}
    assert missing_tags(wanted, listed) == {"a": {"balance"}, "c": {"lnfee"}}
