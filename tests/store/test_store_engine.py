"""Opening: what is made, with which mode and settings, and what each thing that goes wrong is called."""

from __future__ import annotations

from contextlib import closing

from revops.store.engine import Database
from tests.builders import OWN_ID


def test_node_key_is_made_once(database: Database) -> None:
    first = database.node_key(OWN_ID, "ours", "bitcoin")
    assert database.node_key(OWN_ID, "renamed", "bitcoin") == first
    assert [tuple(node) for node in database.known_nodes()] == [(first, OWN_ID, "ours")]


def test_create(empty_url: str) -> None:
    with closing(Database.open(empty_url, create=True)) as database:
        assert database.known_nodes() == ()
