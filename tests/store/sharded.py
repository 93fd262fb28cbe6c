"""Whether a statement of the store stays with one node, as PostgreSQL needs it to send it to one shard."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, Delete, Insert, Select, Table, TextClause, Update
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, BooleanClauseList, ClauseElement, ColumnElement
from sqlalchemy.sql.selectable import Alias, CompoundSelect, FromClause, Join, SelectBase, Subquery

from revops.store import tables

REVOPS = Path(tables.__file__).resolve().parents[1]
#: One row for each node, wanted on all shards: a reference table.
REFERENCE = {"node"}
#: Who looks at all nodes on purpose, by hand: `db check` and `db upgrade`.
WHOLE_DATABASE = {"store/upgrade.py", "store/recount.py"}
KEY = "node_key"


def unfiltered(statement: ClauseElement) -> list[str]:
    """The tables in the statement of which it may read, change or add another node's rows."""
    return list(dict.fromkeys(_unfiltered(statement)))


def _unfiltered(statement: ClauseElement) -> list[str]:
    if isinstance(statement, Insert):
        return _of_insert(statement)
    if isinstance(statement, Update | Delete):
        table: FromClause = statement.table
        missing = _unbound([table], _conjuncts(statement.whereclause), set())
        return [*map(_name, missing), *_inside(statement, {table} - missing)]
    if isinstance(statement, SelectBase):
        return _of_select(statement, set())
    if isinstance(statement, TextClause):
        words = set(statement.text.replace(",", " ").replace('"', " ").split())
        return sorted(words & (tables.metadata.tables.keys() - REFERENCE))
    return []


def _of_insert(statement: Insert) -> list[str]:
    """Rows that come as parameters name their columns there: `hook` looks at those."""
    rows: list[Any] = [statement._values or {}, *(row for some in statement._multi_values or () for row in some)]
    given = {str(getattr(column, "name", column)) for row in rows for column in row} | {
        *(statement._select_names or ())
    }
    name = _name(statement.table)
    missing = [] if name in REFERENCE or KEY in given or not given else [name]
    return missing if statement.select is None else [*missing, *_of_select(statement.select, set())]


def _of_select(statement: Any, bound: set[FromClause]) -> list[str]:
    if isinstance(statement, CompoundSelect):
        return [name for part in statement.selects for name in _of_select(part, bound)]
    if not isinstance(statement, Select):
        inner = getattr(statement, "element", None)
        return [] if inner is None else _of_select(inner, bound)
    froms = statement.get_final_froms()
    conditions = [*_conjuncts(statement.whereclause), *(one for part in froms for one in _on(part))]
    leaves = [leaf for part in froms for leaf in _leaves(part)]
    missing = _unbound(leaves, conditions, bound)
    return [*map(_name, missing), *_inside(statement, (bound | set(leaves)) - missing)]


def _inside(statement: ClauseElement, bound: set[FromClause]) -> list[str]:
    """What is wrong with the selects within: they may refer to what is around them."""
    found: list[str] = []
    for child in _selects_within(statement):
        found += _of_select(child, bound)
    return found


def _selects_within(element: ClauseElement) -> Iterator[SelectBase]:
    for child in element.get_children():
        if isinstance(child, Select | CompoundSelect):
            yield child
        elif not isinstance(child, Table):
            yield from _selects_within(child)


def _leaves(part: FromClause) -> Iterator[FromClause]:
    if isinstance(part, Join):
        yield from _leaves(part.left)
        yield from _leaves(part.right)
    else:
        yield part


def _on(part: FromClause) -> Iterator[ColumnElement[Any]]:
    """The conditions of joins. That of an outer join leaves out none of the rows on its left."""
    if isinstance(part, Join):
        kept = set(_leaves(part.left)) if part.isouter else set()
        yield from (one for one in _conjuncts(part.onclause) if not kept.intersection(_held(one)))
        yield from _on(part.left)
        yield from _on(part.right)


def _conjuncts(clause: Any) -> list[ColumnElement[Any]]:
    if clause is None:
        return []
    if isinstance(clause, BooleanClauseList) and clause.operator is operators.and_:
        return [one for part in clause.clauses for one in _conjuncts(part)]
    inner = getattr(clause, "element", None)
    if inner is not None and not isinstance(clause, BinaryExpression) and clause.__visit_name__ == "grouping":
        return _conjuncts(inner)
    return [clause]


def _name(leaf: FromClause) -> str:
    table = leaf.element if isinstance(leaf, Alias) else leaf
    return str(getattr(table, "name", table))


def _is_table(leaf: FromClause) -> bool:
    table = leaf.element if isinstance(leaf, Alias) else leaf
    return isinstance(table, Table) and table.name not in REFERENCE


def _keys(one: Any) -> list[FromClause]:
    """Of which tables a condition holds the node equal to something."""
    if not isinstance(one, BinaryExpression) or one.operator is not operators.eq:
        return []
    sides = (one.left, one.right)
    return [side.table for side in sides if getattr(side, "name", None) == KEY and hasattr(side, "table")]


def _held(one: Any) -> list[FromClause]:
    """Of which table a condition holds the node equal to a parameter."""
    found = _keys(one)
    return found if len(found) == 1 and any(isinstance(side, BindParameter) for side in (one.left, one.right)) else []


def _unbound(leaves: Iterable[FromClause], conditions: Iterable[Any], bound: set[FromClause]) -> set[FromClause]:
    """Tables whose node isn't held equal to a parameter, nor to that of one for which it is."""
    known, pairs = set(bound), []
    for one in conditions:
        known.update(_held(one))
        if len(_keys(one)) == 2:
            pairs.append(set(_keys(one)))
    # A subselect is looked at by itself: what it gives is one node's.
    known |= {leaf for leaf in (*leaves, *(leaf for pair in pairs for leaf in pair)) if isinstance(leaf, Subquery)}
    while more := {leaf for pair in pairs if known & pair for leaf in pair} - known:
        known |= more
    return {leaf for leaf in leaves if _is_table(leaf) and leaf not in known}


def caller() -> str | None:
    """The module of revops that executes this statement, below the package; None for a test's own."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if "sqlalchemy" not in path.parts and path != Path(__file__) and frame.f_code.co_name != "execute":
            inside = path.is_relative_to(REVOPS)
            return str(path.relative_to(REVOPS)) if inside else None
        frame = frame.f_back
    return None


_SEEN: WeakSet[Any] = WeakSet()


def hook(_connection: Connection, statement: Any, many: Any, one: Any, _options: Any) -> None:
    """Before each statement: raise AssertionError where one of the store's could touch two nodes."""
    if statement in _SEEN and not isinstance(statement, Insert):
        return
    module = caller()
    if module is None or module in WHOLE_DATABASE:
        return
    missing = unfiltered(statement)
    if isinstance(statement, Insert) and not missing:
        for row in many or ([one] if one else []):
            has_key = KEY in row or statement._values or statement._multi_values or statement._select_names
            missing = [] if has_key else [_name(statement.table)]
    assert not missing, f"{module}: {', '.join(missing)} not by {KEY}: {statement}"
    _SEEN.add(statement)
