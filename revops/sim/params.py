"""Parameters as lightningd parses them (common/json_param.c): by name or by position, unknown ones refused.

Each parser returns the value or raises the error that lightningd would send. Errors don't repeat the offending token:
lightningd writes it to its log only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from revops.sim.errors import INVALID_PARAMS, SimRpcError, bad_param
from revops.sim.ids import scid_parts

Parser = Callable[[str, Any], Any]
UNKNOWN_TAIL = (
    ", this may be caused by a failure to autodetect key=value-style parameters. Please try using the -k flag and "
    "explicit key=value pairs of parameters."
)
MSAT_FORMS = (("msat", 1), ("sat", 1_000), ("btc", 100_000_000_000), ("", 1))


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a method, in lightningd's positional order."""

    name: str
    parse: Parser
    required: bool = False


def bind(specification: Sequence[Param], given: Any) -> dict[str, Any]:
    """Given a method's parameters and a request's `params`, return the values. Raise SimRpcError (-32602) else."""
    if isinstance(given, list):
        if len(given) > len(specification):
            message = f"too many parameters: got {len(given)}, expected {len(specification)}"
            raise SimRpcError(INVALID_PARAMS, message)
        pairs = [(param, value) for param, value in zip(specification, given, strict=False) if value is not None]
    else:
        known = {param.name: param for param in specification}
        for name in given:
            if name not in known:
                raise SimRpcError(INVALID_PARAMS, f"unknown parameter: {name}{UNKNOWN_TAIL}")
        pairs = [(known[name], value) for name, value in given.items()]
    values = {param.name: param.parse(param.name, value) for param, value in pairs}
    for param in specification:
        if param.required and param.name not in values:
            raise SimRpcError(INVALID_PARAMS, f"missing required parameter: {param.name}")
    return values


def integer(bits: int) -> Parser:
    """Return a parser of unsigned integers of `bits` bits; lightningd takes them as strings as well."""

    def parse(name: str, value: Any) -> int:
        number = value if isinstance(value, int) and not isinstance(value, bool) else None
        if isinstance(value, str) and value.isascii() and value.isdigit():
            number = int(value)
        if number is None or not 0 <= number < 1 << bits:
            raise bad_param(name, f"should be an unsigned {bits} bit integer")
        return number

    return parse


def msat(name: str, value: Any) -> int:
    """Parse an amount: an integer of msat, or a string with msat, sat or btc behind it."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str):
        for suffix, factor in MSAT_FORMS:
            number = value.removesuffix(suffix)
            if value.endswith(suffix) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", number):
                whole, _, part = number.partition(".")
                return int(whole) * factor + (int(part) * factor // 10 ** len(part) if part else 0)
    raise bad_param(name, "should be a millisatoshi amount")


def msat_u32(name: str, value: Any) -> int:
    """Parse an amount below 2³² msat."""
    amount = msat(name, value)
    if amount >= 1 << 32:
        raise bad_param(name, "exceeds u32 max")
    return amount


def msat_or_any(name: str, value: Any) -> int | None:
    """Parse an invoice's amount; None for "any"."""
    if value == "any":
        return None
    amount = msat(name, value)
    if amount == 0:
        raise bad_param(name, "should be positive msat or 'any'")
    return amount


def string(name: str, value: Any) -> str:
    """Parse a string."""
    if not isinstance(value, str):
        raise bad_param(name, "should be a string")
    return value


def label(name: str, value: Any) -> str:
    """Parse a label: a string, or a number which becomes one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise bad_param(name, "should be a string or number")
    return str(value)


def boolean(name: str, value: Any) -> bool:
    """Parse a boolean."""
    if value is True or value == "true":
        return True
    if value is False or value == "false":
        return False
    raise bad_param(name, "should be 'true' or 'false'")


def hex_of(length: int | None, message: str) -> Parser:
    """Return a parser of hexadecimal text of `length` bytes (any length for None)."""

    def parse(name: str, value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"([0-9a-fA-F]{2})*", value):
            raise bad_param(name, message)
        if length is not None and len(value) != 2 * length:
            raise bad_param(name, message)
        return value.lower()

    return parse


def node_id(name: str, value: Any) -> str:
    """Parse a node id."""
    if not isinstance(value, str) or not re.fullmatch(r"0[23][0-9a-fA-F]{64}", value):
        raise bad_param(name, "should be a node id")
    return value.lower()


def scid(name: str, value: Any) -> str:
    """Parse a short channel id."""
    try:
        if isinstance(value, str):
            block, transaction, output = scid_parts(value)
            return f"{block}x{transaction}x{output}"
    except ValueError:
        pass
    raise bad_param(name, "should be a short_channel_id of form NxNxN")


def scid_direction(name: str, value: Any) -> tuple[str, int]:
    """Parse a short channel id with direction."""
    text, _, direction = value.rpartition("/") if isinstance(value, str) else ("", "", "")
    if direction not in ("0", "1"):
        raise bad_param(name, "should be a short_channel_id_dir of form NxNxN/N")
    return scid(name, text), int(direction)


def array(name: str, value: Any) -> list[Any]:
    """Parse an array, unlooked-at."""
    if not isinstance(value, list):
        raise bad_param(name, "should be an array")
    return value


def anything(name: str, value: Any) -> Any:
    """Accept any value."""
    return value


def one_of(*words: str) -> Parser:
    """Return a parser that accepts the given words."""

    def parse(name: str, value: Any) -> str:
        if value not in words:
            raise bad_param(name, "Unknown " + name if len(words) > 3 else "should be one of " + ", ".join(words))
        return str(value)

    return parse


U64, U32 = integer(64), integer(32)
HASH = hex_of(32, "should be a 32 byte hex value")
HEX = hex_of(None, "should be a hex value")
INDEX = one_of("created", "updated")
