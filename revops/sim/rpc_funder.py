"""funderupdate: what we put into channels that others open to us (plugins/funder.c, json_funderupdate).

What isn't named stays as it is; of lease rates the first one brings lightningd's defaults for the others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from revops.sim import params as p
from revops.sim.errors import INVALID_PARAMS, SimRpcError, bad_param
from revops.sim.graph import LeaseRates
from revops.sim.params import Param
from revops.sim.state import Funder, World

Args = dict[str, Any]
NAME = "funderupdate"
AMOUNTS = ("min_their_funding", "max_their_funding", "per_channel_min", "per_channel_max", "reserve_tank")
#: Of each policy but `fixed`, the most that policy_mod may be.
MOST = {"match": 200, "available": 100}
#: By parameter: the field, what it is divided by, and what it holds at most.
RATES = {
    "lease_fee_base_msat": ("fee_base_sat", 1000, 2**32 - 1),
    "lease_fee_basis": ("fee_basis", 1, 2**16 - 1),
    "funding_weight": ("funding_weight", 1, 2**16 - 1),
    "channel_fee_max_base_msat": ("max_base_msat", 1, 2**32 - 1),
    "channel_fee_max_proportional_thousandths": ("max_thousandths", 1, 2**16 - 1),
}


def policy_mod(name: str, value: Any) -> int:
    """Parse a plain number, or an amount that becomes sat."""
    number = p.msat(name, value)
    return number if isinstance(value, int) else number // 1000


#: `compact_lease` stands in the schema, and isn't taken.
PARAMETERS = (
    Param("policy", p.one_of("match", "available", "fixed")),
    Param("policy_mod", policy_mod),
    Param("leases_only", p.boolean),
    *(Param(f"{name}_msat", p.msat) for name in AMOUNTS),
    Param("fuzz_percent", p.U32),
    Param("fund_probability", p.U32),
    Param("lease_fee_base_msat", p.msat),
    Param("lease_fee_basis", p.U32),
    Param("funding_weight", p.U32),
    Param("channel_fee_max_base_msat", p.msat),
    Param("channel_fee_max_proportional_thousandths", p.U32),
)


def funderupdate(world: World, args: Args) -> dict[str, Any]:
    """Answer funderupdate: set what is named, and return what is in force."""
    changes: dict[str, Any] = {name: args[name] for name in ("policy", "policy_mod", "leases_only") if name in args}
    changes |= {f"{name}_sat": args[f"{name}_msat"] // 1000 for name in AMOUNTS if f"{name}_msat" in args}
    changes |= {name: args[name] for name in ("fuzz_percent", "fund_probability") if name in args}
    funder = replace(world.funder, **changes, rates=rates_of(world.funder, args))
    if funder.fund_probability > 100 or funder.fuzz_percent > 100:
        raise SimRpcError(INVALID_PARAMS, "fund_probability max is 100")
    if funder.policy_mod > MOST.get(funder.policy, 2**64):
        message = f"Max allowed policy_mod for '{funder.policy}' is {MOST[funder.policy]}"
        raise SimRpcError(INVALID_PARAMS, message)
    world.funder = funder
    return funder_json(funder)


def rates_of(funder: Funder, args: Args) -> LeaseRates | None:
    """Return the rates with what is named."""
    named = {name: args[name] for name in RATES if name in args}
    if not named:
        return funder.rates
    changes = {}
    for name, value in named.items():
        field, divisor, most = RATES[name]
        if value // divisor > most:
            raise bad_param(name, "overflow")
        changes[field] = value // divisor
    return replace(funder.rates or LeaseRates(), **changes)


def funder_json(funder: Funder) -> dict[str, Any]:
    """Return what is in force (json_add_policy)."""
    unit = "sat" if funder.policy == "fixed" else "%"
    row: dict[str, Any] = {
        "summary": f"{funder.policy} ({funder.policy_mod}{unit})",
        "policy": funder.policy,
        "policy_mod": funder.policy_mod,
        "leases_only": funder.leases_only,
    }
    row |= {f"{name}_msat": getattr(funder, f"{name}_sat") * 1000 for name in AMOUNTS}
    row |= {"fuzz_percent": funder.fuzz_percent, "fund_probability": funder.fund_probability}
    return row if funder.rates is None else row | funder.rates.as_json()
