"""Core Lightning's own schemas as a validator: draft 7 with its types (pubkey, msat, short_channel_id …).

The schemas aren't in the repository; `REVOPS_CLN_SCHEMAS` names their folder. Folders of older releases may stand
beside it as `cln-schemas-v25.12.1` and so on. The types follow contrib/pyln-testing/pyln/testing/fixtures.py.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from jsonschema.protocols import Validator
from jsonschema.validators import extend

Check = Callable[[Any, Any], bool]


def schema_folder(version: str | None = None) -> Path:
    """Return the folder of the newest release's schemas, or of `version`'s. Skip the test, saying why, without it."""
    root = os.environ.get("REVOPS_CLN_SCHEMAS")
    if not root:
        pytest.skip("REVOPS_CLN_SCHEMAS doesn't name the folder of Core Lightning's schemas")
    folder = Path(root)
    if version is not None:
        folder = folder.parent / f"cln-schemas-{version}"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder.name} beside REVOPS_CLN_SCHEMAS")
    return folder


def text(pattern: str) -> Check:
    """Return a check of strings against a pattern."""
    compiled = re.compile(pattern)
    return lambda _, value: isinstance(value, str) and compiled.fullmatch(value) is not None


def unsigned(bits: int) -> Check:
    """Return a check of unsigned integers."""
    return lambda _, value: type(value) is int and 0 <= value < 1 << bits


def amount(_: Any, value: Any) -> bool:
    """Whether a response's amount is a plain integer."""
    return type(value) is int and value >= 0


def asked_amount(_: Any, value: Any) -> bool:
    """Whether a request's amount is an integer or one with a unit."""
    return amount(_, value) or text(r"\d+(\.\d+)?(msat|sat|btc)?")(_, value)


SCID = r"\d+x\d+x\d+"
TYPES: dict[str, Check] = {
    "hex": text(r"[0-9a-fA-F]*"),
    "hash": text(r"[0-9a-f]{64}"),
    "secret": text(r"[0-9a-f]{64}"),
    "txid": text(r"[0-9a-f]{64}"),
    "pubkey": text(r"0[23][0-9a-f]{64}"),
    "short_channel_id": text(SCID),
    "short_channel_id_dir": text(SCID + "/[01]"),
    "outpoint": text(r"[0-9a-f]{64}:\d+"),
    "u8": unsigned(8),
    "u16": unsigned(16),
    "u32": unsigned(32),
    "u64": unsigned(64),
}


def validator(folder: Path, method: str, part: str) -> Validator:
    """Given a folder, a method and "request" or "response", return its validator."""
    schema = json.loads((folder / f"{method}.json").read_text())[part]
    money = asked_amount if part == "request" else amount
    types = TYPES | {"msat": money, "msat_or_any": lambda _, value: value == "any" or money(_, value)}
    checker = Draft7Validator.TYPE_CHECKER.redefine_many(types)
    built: Validator = extend(Draft7Validator, type_checker=checker)(schema)  # type: ignore[no-untyped-call]
    return built


def complaints(folder: Path, method: str, part: str, value: Any) -> list[str]:
    """Return what the schema says against a request or response; nothing if it conforms."""
    return [
        f"{method} {error.json_path}: {error.message}" for error in validator(folder, method, part).iter_errors(value)
    ]
