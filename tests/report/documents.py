"""Values of any type of the domain, filled or as bare as can be, and the schemas that documents of them keep to."""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

from revops.domain.reason import Reason, ReasonCode, why

REASON = why(ReasonCode.DEAD_BAND, change_ppm=1, band_ppm=3)


def schema(name: str) -> Any:
    """The schema of a document, as the package holds it."""
    return json.loads(files("revops").joinpath(f"share/schemas/{name}.schema.json").read_text(encoding="utf-8"))


def validator(name: str) -> Draft202012Validator:
    """What checks documents by it."""
    return Draft202012Validator(schema(name))


def value_of(kind: Any, *, full: bool) -> Any:
    """Given a type, return a value of it: with all that may be there, or with nothing that may be missing."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        some = [one for one in arguments if one is not type(None)]
        return value_of(some[0], full=full) if full or len(some) == len(arguments) else None
    if origin is tuple:
        return (value_of(arguments[0], full=full),) if full else ()
    if origin is not None and issubclass(origin, Mapping):
        return {"name": 1} if full else {}
    if kind is Reason:
        return REASON
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        names = [field.name for field in dataclasses.fields(kind)]
        return typing.cast(Any, kind)(**{name: value_of(hints[name], full=full) for name in names})
    if issubclass(kind, enum.Enum):
        return next(iter(kind))
    return {bool: True, int: 7, float: 1.5, str: "text"}[kind]
