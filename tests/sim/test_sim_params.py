"""Parameters are parsed as lightningd parses them, and refused in its words."""

from __future__ import annotations

from typing import Any

import pytest

from revops.sim.config import WRITING_METHODS
from revops.sim.methods import WRITING, methods_of
from revops.sim.params import msat
from revops.sim.world import SimConfig, SimulatedNode
from tests.sim.driving import refused


@pytest.fixture(scope="module")
def node() -> SimulatedNode:
    return SimulatedNode(SimConfig(channel_count=3))


def test_an_unknown_method_and_an_unknown_parameter(node: SimulatedNode) -> None:
    error = refused(node, "bkpr-listbalances")
    assert (error.code, error.message) == (-32601, "Unknown command 'bkpr-listbalances'")
    error = refused(node, "getinfo", {"colour": 1})
    assert error.code == -32602
    assert error.message.startswith("unknown parameter: colour, this may be caused by a failure to autodetect")


def test_positions_and_missing_ones(node: SimulatedNode) -> None:
    assert node.handle("feerates", ["perkb"]) == node.handle("feerates", {"style": "perkb"})
    assert refused(node, "feerates").message == "missing required parameter: style"
    assert refused(node, "feerates", ["perkb", 1]).message == "too many parameters: got 2, expected 1"
    assert node.handle("listforwards", ["settled", None, None, "created", 1, 5])["forwards"] == []
    assert refused(node, "getinfo", "nothing").code == -32602


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("setchannel", {"id": "all", "feeppm": -1}),
        ("setchannel", {"id": "all", "feeppm": 2**32}),
        ("setchannel", {"id": "all", "feeppm": 1.5}),
        ("setchannel", {"id": "all", "feeppm": True}),
        ("setchannel", {"id": "all", "feebase": 2**32}),
        ("setchannel", {"id": "all", "htlcmax": "5sats"}),
        ("setchannel", {"id": "all", "ignorefeelimits": "yes"}),
        ("listforwards", {"status": "done"}),
        ("listforwards", {"index": "deleted"}),
        ("listforwards", {"in_channel": "1x2"}),
        ("listforwards", {"in_channel": "16777216x1x1"}),
        ("listpeerchannels", {"id": "02ab"}),
        ("listsendpays", {"payment_hash": "zz" * 32}),
        ("listnodes", {"id": 5}),
        ("invoice", {"amount_msat": 0, "label": "l", "description": ""}),
        ("invoice", {"amount_msat": "any", "label": True, "description": ""}),
        ("wait", {"subsystem": "peers", "indexname": "created", "nextvalue": 0}),
        ("sendpay", {"route": "x", "payment_hash": "00" * 32}),
        ("sendpay", {"route": ["x"], "payment_hash": "00" * 32}),
        ("sendpay", {"route": [{"id": "02" * 33, "channel": "1x1x1", "delay": 1}], "payment_hash": "00" * 32}),
        ("askrene-inform-channel", {"layer": "xpay", "short_channel_id_dir": "1x1x1", "amount_msat": 1, "inform": "x"}),
        ("askrene-remove-layer", {"layer": "none"}),
        ("askrene-create-layer", {"layer": "auto.mine"}),
        ("listconfigs", {"config": "no-such"}),
    ],
)
def test_wrong_values_are_bad_parameters(node: SimulatedNode, method: str, params: dict[str, Any]) -> None:
    assert refused(node, method, params).code == -32602


@pytest.mark.parametrize(
    ("given", "amount_msat"),
    [(5, 5), ("5", 5), ("5msat", 5), ("5sat", 5_000), ("0.001sat", 1), ("1btc", 10**11), ("0.00000001btc", 1_000)],
)
def test_amounts_have_many_forms(given: int | str, amount_msat: int) -> None:
    assert msat("amount", given) == amount_msat


def test_the_table_and_the_list_of_writers_agree() -> None:
    assert set(WRITING) == {method for method in WRITING_METHODS if not method.startswith("sling-")}
    forbidden = {"bkpr-listbalances", "setconfig", "autoclean-once", "autoclean-status"}
    assert not forbidden & set(methods_of("v26.06.6"))


def test_layers_are_made_once(node: SimulatedNode) -> None:
    node.handle("askrene-create-layer", {"layer": "one"})
    assert refused(node, "askrene-create-layer", {"layer": "one"}).message == "Layer already exists"
    assert node.handle("askrene-create-layer", {"layer": "one", "persistent": True})["layers"][0]["layer"] == "one"


def test_a_version_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="not a Core Lightning version"):
        SimulatedNode(SimConfig(version="lnd"))
