"""What is read of a spool goes into both databases, and each statement is about one node."""

from __future__ import annotations

from tests.databases import database as database
from tests.databases import empty_url as empty_url
from tests.databases import kind as kind
from tests.databases import node_key as node_key
from tests.databases import own_url as own_url
from tests.databases import postgres_admin as postgres_admin
from tests.databases import postgres_server as postgres_server
from tests.databases import postgres_shared as postgres_shared
from tests.databases import postgres_template as postgres_template
from tests.databases import postgres_url as postgres_url
from tests.databases import postgres_urls as postgres_urls
from tests.databases import sqlite_template as sqlite_template
from tests.databases import sqlite_url as sqlite_url
from tests.databases import url as url
from tests.store.conftest import one_node_a_statement as one_node_a_statement
