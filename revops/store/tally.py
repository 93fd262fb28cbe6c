"""How often each outcome was counted: of decisions with their reasons, and of rebalance jobs with what stopped them.

A tally only grows, and no retention lowers it. A row whose outcome is "skip" counts decisions; one of "skip:calm"
counts those of them in which the reason `calm` stood.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from sqlalchemy import Executable, select

from revops.domain.measures import Tally
from revops.store.engine import NODE, Tx
from revops.store.keys import insert_of
from revops.store.tables import decision_tally

_BETWEEN: Final = ":"


def add(tx: Tx, command: str, ended: Iterable[tuple[str, Iterable[str]]]) -> None:
    """Given a command, and of each thing that ended its outcome and the words that go with it, count them."""
    counts: Counter[str] = Counter()
    for outcome, words in ended:
        counts[outcome] += 1
        counts.update(f"{outcome}{_BETWEEN}{word}" for word in set(words))
    rows = [
        {"node_key": tx.node_key, "command": command, "outcome": outcome, "decision_count": count}
        for outcome, count in sorted(counts.items())
    ]
    if rows:
        tx.connection.execute(_add(tx.connection.dialect.name), rows)


@cache
def _add(dialect_name: str) -> Executable:
    insert = insert_of(decision_tally, dialect_name)
    total = decision_tally.c.decision_count + insert.excluded.decision_count
    return insert.on_conflict_do_update(
        index_elements=["node_key", "command", "outcome"], set_={"decision_count": total}
    )


def tallies(tx: Tx) -> tuple[Tally, ...]:
    """Return all that was ever counted, in the order of command, outcome and word."""
    return tuple(Tally(row.command, *_parts(row.outcome), row.decision_count) for row in tx.execute(_tallies()).all())


def _parts(outcome: str) -> tuple[str, str]:
    name, _, word = outcome.partition(_BETWEEN)
    return name, word


@cache
def _tallies() -> Executable:
    row = decision_tally.c
    return select(decision_tally).where(row.node_key == NODE).order_by(row.command, row.outcome)


def outcome_counts(tx: Tx) -> Mapping[tuple[str, str], int]:
    """Return how often each outcome was counted, by (command, outcome)."""
    return {(one.command, one.outcome): one.count for one in tallies(tx) if not one.word}
