"""Which metrics and labels a PromQL expression names. No evaluation, no syntax check: Prometheus does these.

Written by Prometheus' grammar (prometheus/docs, docs/querying/basics.md and operators.md): a name before a parenthesis
is a function or an aggregation, one after `by`, `on` and their like within parentheses is a label, one within braces
before an operator is a label of the metric before them, any other that is no keyword is a metric.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<range>\[[^\]]*\])"""
    r"""|(?P<number>\d[\w.]*|\.\d+)|(?P<name>[A-Za-z_:][\w:]*)|(?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){},@])"""
)
_GROUPING: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_AFTER_FUNCTION: Final = frozenset({"(", "by", "without"})
_WORDS: Final = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan"})


@dataclass
class Named:
    """`selectors` are metrics with the labels that their braces match, `groups` the labels of groupings and joins."""

    selectors: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    groups: set[str] = field(default_factory=set)


def named(expression: str) -> Named:
    """Given an expression, return what it names. Raise ValueError for what is no token of PromQL."""
    tokens, found, place = list(_tokens(expression)), Named(), 0
    while place < len(tokens):
        kind, word = tokens[place]
        following = tokens[place + 1][1] if place + 1 < len(tokens) else ""
        place += 1
        if kind != "name":
            if word == "{":
                raise ValueError(f"a selector without a metric in {expression!r}")
        elif word in _GROUPING:
            if following == "(":
                end = _closing(tokens, place, ")")
                found.groups |= {label for what, label in tokens[place:end] if what == "name"}
                place = end + 1
        elif following == "{":
            end = _closing(tokens, place, "}")
            found.selectors.append((word, frozenset(label for what, label in tokens[place:end] if what == "name")))
            place = end + 1
        elif following not in _AFTER_FUNCTION and word.lower() not in _WORDS:
            found.selectors.append((word, frozenset()))
    return found


def _closing(tokens: list[tuple[str, str]], start: int, sign: str) -> int:
    return next(place for place in range(start, len(tokens)) if tokens[place] == ("sign", sign))


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(expression):
        match = _TOKEN.match(expression, place)
        if match is None:
            raise ValueError(f"{expression[place : place + 20]!r} is no PromQL")
        place = match.end()
        kind = str(match.lastgroup)
        if kind not in ("space", "range"):
            yield kind, match[0]
