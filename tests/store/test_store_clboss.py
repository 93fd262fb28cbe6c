"""What was taken from CLBOSS: a row a peer, until it is given back."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from revops.domain.clboss import HeldTags
from revops.errors import BugError
from revops.store import clboss
from revops.store.engine import Database
from revops.store.tables import clboss_tag
from tests.builders import NOW, node_id
from tests.store.rows import record

FEES, BOTH = frozenset({"lnfee"}), frozenset({"lnfee", "balance"})


def test_a_row_a_peer_that_ends_and_begins_anew(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        assert clboss.held_tags(tx) == {}
        clboss.record_held(tx, node_id(1), frozenset(), NOW)
        assert tx.connection.execute(select(clboss_tag)).all() == []
        clboss.record_held(tx, node_id(1), FEES, NOW)
        clboss.record_held(tx, node_id(1), BOTH, NOW + 5)
        clboss.record_held(tx, node_id(2), FEES, NOW + 6)
        assert clboss.held_tags(tx) == {node_id(1): HeldTags(BOTH, NOW), node_id(2): HeldTags(FEES, NOW + 6)}
        clboss.record_held(tx, node_id(1), frozenset(), NOW + 7)
        assert clboss.held_tags(tx) == {node_id(2): HeldTags(FEES, NOW + 6)}
        (ended,) = tx.connection.execute(select(clboss_tag).where(clboss_tag.c.returned_at.is_not(None))).all()
        assert (ended.tags, ended.taken_at, ended.returned_at) == ("balance,lnfee", NOW, NOW + 7)
        clboss.record_held(tx, node_id(1), FEES, NOW + 9)
        assert clboss.held_tags(tx)[node_id(1)] == HeldTags(FEES, NOW + 9)
        with pytest.raises(BugError, match="never recorded"):
            clboss.record_held(tx, node_id(8), FEES, NOW)
