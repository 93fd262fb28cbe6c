"""The kinds of columns and keys that the tables are made of: each quantity has one type, and its unit in its name."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Text,
)


def key(name: str, *, null: bool = False) -> Column[int]:
    """Given a name, return a small key."""
    return Column(name, Integer, nullable=null, autoincrement=False)


def whole(name: str, *, null: bool = False) -> Column[int]:
    """Given a name, return a whole number."""
    return Column(name, BigInteger, nullable=null, autoincrement=False)


def msat(name: str, *, null: bool = False) -> Column[int]:
    """Given what it is of, return an amount in msat."""
    return Column(f"{name}_msat", BigInteger, nullable=null)


def at(name: str, *, null: bool = False) -> Column[float]:
    """Given what happens then, return an instant: UTC epoch seconds, with fractions."""
    return Column(f"{name}_at", Double, nullable=null)


def decayed(name: str, *, default: str | None = None) -> Column[float]:
    """A decayed sum: fractions of payments, so a float also where it is of msat."""
    return Column(name, Double, nullable=False, server_default=default)


def words(name: str, *, null: bool = False) -> Column[str]:
    """Given a name, return a text."""
    return Column(name, Text, nullable=null)


def flag(name: str) -> Column[bool]:
    """Given a name, return a yes or no."""
    return Column(name, Boolean, nullable=False)


def refers(*columns: str, to: str) -> ForeignKeyConstraint:
    """A reference within one node: (node_key, column) to the table of that key."""
    target = {
        "channel": "channel_key",
        "peer": "peer_key",
        "run": "run_key",
        "rebalance_plan": "plan_key",
        "rebalance_job": "job_key",
        "splice_plan": "plan_key",
        "experiment": "experiment_key",
        "recorder_span": "span_key",
    }
    return ForeignKeyConstraint(["node_key", *columns], [f"{to}.node_key", f"{to}.{target[to]}"])


def primary(*columns: str) -> PrimaryKeyConstraint:
    """Given columns, return the primary key that they make with the node's."""
    return PrimaryKeyConstraint("node_key", *columns)
