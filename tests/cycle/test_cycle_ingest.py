"""What a sync refuses: a node that knows less than was read from it before."""

from __future__ import annotations

import pytest

from revops.cycle import ingest
from revops.errors import DataError


def test_a_restored_node_is_refused_and_what_a_new_database_means_is_said():
    place = ingest.CREATED
    with pytest.raises(DataError, match=r"index is 5, but 9 rows .*restored from a backup.*unspent budget: set"):
        ingest._refuse_restored({place: 5}, {place: 9})
    ingest._refuse_restored({place: 9}, {place: 9})
