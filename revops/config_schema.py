"""Raw values from file, environment and flags → the structs of `domain/policy.py`, with every fault said at once.

msgspec stops at the first fault; an operator wants all of them. So each key is converted by itself, then each section
(for limits that cross each other), then the whole. `revops/config.py` finds the values, this module judges them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, get_args

import msgspec
from msgspec.structs import FieldInfo, fields

from revops.config_normalised import NORMALISED, listed
from revops.domain.policy import Config, FeesConfig, Rule, Section
from revops.domain.text import printable

_UNITS: Final = {
    "sat": "amounts here are in sat",
    "msat": "amounts here are in msat",
    "ppm": "rates here are in ppm",
    "seconds": "spans here are in seconds",
    "days": "spans here are in days",
    "ratio": "shares here are ratios, 0.5 for a half",
}
#: Keys that an earlier version had, and what took their place.
_REPLACED: Final[Mapping[str, str]] = {
    "rebalance.income_share_ratio": "min_return_ratio (what a refill must return on its price) took its place",
}
_FOREIGN_UNITS: Final = ("btc", "sats", "msats", "minutes", "hours", "weeks", "second", "day", "percent", "pct")


_WRONG_TYPE: Final = re.compile(r"Expected (\w+)(?: \| \w+)?, got (\w+)")
_TYPE_WORDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text in quotes",
    "bool": "true or false",
    "array": "a list: [...]",
}


@dataclass(frozen=True, slots=True)
class RawValue:
    """A value before it is judged. `origin` is what an operator must mend: a file, a variable, a flag.

    `text` says that it came as a string and is read by the type of its key; values of the file keep their TOML type.
    """

    value: Any
    origin: str
    text: bool = False


#: Keys whose values are quoted nowhere.
SECRETS: Final = frozenset({("database", "url"), ("ping", "url")})
#: section → key → value
Raw = dict[str, dict[str, RawValue]]


@cache
def sections() -> dict[str, type[Section]]:
    """Return the sections of the file, by name, in order."""
    return {field.name: field.type for field in fields(Config) if _is_section(field.type)}


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


@cache
def keys_of(section: type[Section]) -> dict[str, FieldInfo]:
    """Given a section, return its keys in order, with type and default."""
    return {field.name: field for field in fields(section)}


def build(raw: Raw, home: str, faults: list[str], rules: object = ()) -> Config | None:
    """Given raw values, the file they should be in, and what stands under `rule`, return the configuration.

    Add what is wrong to `faults`, and return None if anything is.
    """
    built: dict[str, Section] = {}
    for name in sections():
        one = build_section(name, raw, home, faults)
        if one is not None:
            built[name] = one
    fees = built.get("fees")
    read: tuple[Rule, ...] = ()
    if rules != ():
        from revops.config_rules import build_rules  # only where there are any

        read = build_rules(rules, fees if isinstance(fees, FeesConfig) else None, home, faults)
    return None if faults else Config(**built, rules=read)  # type: ignore[arg-type]  # by name, types from `sections()`


def build_section(name: str, raw: Raw, home: str, faults: list[str]) -> Section | None:
    """Given a section's name and raw values, return it. Add what is wrong with it to `faults`, and return None then."""
    section, given = sections()[name], raw.get(name, {})
    values = dict(_converted(name, section, given, faults))
    missing = [key for key, field in keys_of(section).items() if field.required and key not in given]
    faults += [f"{home}: {name}.{key}: is missing, and has no default" for key in missing]
    if missing or values.keys() != given.keys():
        return None
    try:
        return msgspec.convert(values, section)
    except ValueError as error:  # limits that cross each other; the message starts with the key
        origins = dict.fromkeys(one.origin for one in given.values())
        faults.append(f"{', '.join(origins)}: {name}.{error}")
        return None


def _converted(
    name: str, section: type[Section], raw: Mapping[str, RawValue], faults: list[str]
) -> Iterator[tuple[str, Any]]:
    known = keys_of(section)
    for key, given in raw.items():
        if key not in known:
            faults.append(f"{given.origin}: {name}.{key}: {unknown_key(name, key)}")
            continue
        try:
            yield key, value_of(f"{name}.{key}", known[key].type, given)
        except ValueError as error:  # msgspec.ValidationError is one
            hidden = (name, key) in SECRETS and not isinstance(given.value, int | float)
            told = replace(given, value="(secret)") if hidden else given
            faults.append(f"{given.origin}: {name}.{key}{sentence_of(error, known[key].type, told)}")


def sound_part(raw: Raw) -> Raw:
    """Given raw values, return those that can be converted; of a section whose limits cross each other, none."""
    kept: Raw = {}
    for name, section in sections().items():
        values = dict(_converted(name, section, raw.get(name, {}), []))
        required = {key for key, field in keys_of(section).items() if field.required}
        try:
            msgspec.convert({**dict.fromkeys(required, "given later"), **values}, section)
        except ValueError:
            values = {key: value for key, value in values.items() if key in required}
        kept[name] = {key: raw[name][key] for key in values}
    return kept


def value_of(path: str, kind: Any, given: RawValue) -> Any:
    """Given a key's path, its type and what was given for it, return the value. Raise ValueError where it is none."""
    value = given.value
    if given.text and _is_list(kind):
        value = listed(value)
    converted = msgspec.convert(value, kind, strict=not given.text)
    return NORMALISED[path](converted) if path in NORMALISED else converted


def _is_list(kind: Any) -> bool:
    return getattr(kind, "__origin__", kind) in {list, tuple}


def sentence_of(error: ValueError, kind: Any, given: RawValue) -> str:
    """Given what msgspec said, return it with our punctuation, and the allowed words where it was one of a list."""
    message, _, place = str(error).replace("`", "").partition(" - at $")
    words = allowed_words(kind)
    if message.startswith("Invalid enum value") and words:
        number = "a number or " if _is_union(kind) else ""
        message += f", expected {number}" + " or ".join(f'"{word}"' for word in words)
    mismatch = _WRONG_TYPE.fullmatch(message)
    if mismatch:
        wanted = _TYPE_WORDS.get(mismatch[1], mismatch[1])
        quoted = ", without quotes" if mismatch[2] == "str" and not given.text and mismatch[1] != "array" else ""
        message = f"expected {wanted}{quoted}" if quoted else f"expected {wanted}, found {_shown(given.value)}"
    return f"{place}: {message}"


def _shown(value: Any) -> str:
    text = printable(str(value))
    return repr(text) if isinstance(value, str) else text.lower() if isinstance(value, bool) else text


def _is_union(kind: Any) -> bool:
    return isinstance(msgspec.inspect.type_info(kind), msgspec.inspect.UnionType)


def allowed_words(kind: Any) -> tuple[str, ...]:
    """Given the type of a key (or of a list), return the words that it admits; none where it isn't a list of words."""
    if _is_union(kind):
        return tuple(word for part in get_args(kind) for word in allowed_words(part))
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.VarTupleType):
        info = info.item_type
    return tuple(str(word) for word in info.values) if isinstance(info, msgspec.inspect.LiteralType) else ()


def unknown_section(name: str, *, table: bool) -> str:
    """Given a name at the top of the file that isn't a section, return what is wrong and what was probably meant."""
    homes = [section for section, kind in sections().items() if name in keys_of(kind)]
    if not table and homes:
        return f"unknown key at the top of the file; it belongs in [{'] or ['.join(homes)}]"
    near = difflib.get_close_matches(name, (*sections(), "rule"), n=1)
    if near:
        return f"unknown section; did you mean {'[[rule]]' if near[0] == 'rule' else f'[{near[0]}]'}?"
    return f"unknown section; known: {', '.join((*sections(), '[[rule]]'))}"


def near_key(key: str, known: Sequence[str]) -> str:
    """Given an unknown key and those that there are, return what was probably meant."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
    return f"unknown key; did you mean {near[0]}?" if near else f"unknown key; known: {', '.join(known)}"


def unknown_key(section: str, key: str) -> str:
    """Given a key that its section doesn't have, return what took its place, or what was probably meant: unit, spelling
    or place.
    """
    if f"{section}.{key}" in _REPLACED:
        return f"no key any more; {_REPLACED[f'{section}.{key}']}"
    known = keys_of(sections()[section])
    stem, _, unit = key.rpartition("_")
    for name in known:
        known_stem, _, known_unit = name.rpartition("_")
        if known_unit in _UNITS and (key == known_stem or (stem == known_stem and _is_unit(unit))):
            return f"unknown key; {_UNITS[known_unit]}: {name}"
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
    if near:
        return f"unknown key; did you mean {near[0]}?"
    homes = [name for name, kind in sections().items() if key in keys_of(kind)]
    return f"unknown key; it belongs in [{'] or ['.join(homes)}]" if homes else "unknown key"


def _is_unit(text: str) -> bool:
    return text in _UNITS or text in _FOREIGN_UNITS
