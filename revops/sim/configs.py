"""The part of listconfigs that a tool may want: network, paths, fee and CLTV defaults, plugins' options."""

from __future__ import annotations

from typing import Any

from revops.sim.channels import MAX_U64
from revops.sim.config import SimConfig

PLUGIN_DIR = "/usr/local/libexec/c-lightning/plugins"


def configs_of(config: SimConfig) -> dict[str, dict[str, Any]]:
    """Return each option with its value and source, in the shape that listconfigs has since v23.08."""
    default = "default"
    plugin = {"source": default, "plugin": f"{PLUGIN_DIR}/sling", "dynamic": True}
    sling = {"sling-timeoutpay": {"value_int": 120, **plugin}, "sling-max-htlc-count": {"value_int": 5, **plugin}}
    return (sling if config.sling_version else {}) | {
        "lightning-dir": {"value_str": "/home/sim/.lightning", "source": "cmdline"},
        "network": {"value_str": config.network, "source": "/home/sim/.lightning/config:1"},
        "mainnet": {"set": config.network == "bitcoin", "source": default},
        "rpc-file": {"value_str": "lightning-rpc", "source": default},
        "allow-deprecated-apis": {"value_bool": True, "source": default},
        "plugin": {"values_str": [], "sources": []},
        "experimental-dual-fund": {"set": config.dual_fund, "source": default},
        "rgb": {"value_str": "03e901", "source": default},
        "alias": {"value_str": config.alias, "source": "/home/sim/.lightning/config:2"},
        "ignore-fee-limits": {"value_bool": False, "source": default},
        "cltv-delta": {"value_int": 34, "source": default},
        "cltv-final": {"value_int": 18, "source": default},
        "commit-time": {"value_int": 10, "source": default},
        "fee-base": {"value_int": 1000, "source": default},
        "fee-per-satoshi": {"value_int": 10, "source": default},
        "htlc-minimum-msat": {"value_msat": 0, "source": default},
        "htlc-maximum-msat": {"value_msat": MAX_U64, "source": default},
        "max-concurrent-htlcs": {"value_int": 483, "source": default},
        "max-dust-htlc-exposure-msat": {"value_msat": 50_000_000, "source": default},
        "min-capacity-sat": {"value_int": 10_000, "source": default, "dynamic": True},
        "min-emergency-msat": {"value_msat": 25_000_000, "source": default},
        "rpc-file-mode": {"value_str": "0600", "source": default},
        "disable-dns": {"set": False, "source": default},
        "xpay-handle-pay": {
            "value_bool": True,
            "source": default,
            "plugin": f"{PLUGIN_DIR}/cln-xpay",
            "dynamic": True,
        },
        "askrene-timeout": {
            "value_int": 10,
            "source": default,
            "plugin": f"{PLUGIN_DIR}/cln-askrene",
            "dynamic": True,
        },
        "autoclean-cycle": {
            "value_int": 3600,
            "source": default,
            "plugin": f"{PLUGIN_DIR}/autoclean",
            "dynamic": True,
        },
        "autoclean-networkevents-age": {
            "value_int": 2_592_000,
            "source": default,
            "plugin": f"{PLUGIN_DIR}/autoclean",
            "dynamic": True,
        },
    }
