"""What a strategy remembers once a call is carried out, kept with the call; the base fee of each fee change.

Revision: 0008, after 0007. There is no way back: restore a backup.

Calls that are open at the upgrade have no such state. The base fees of changes before it aren't known: somebody else's
change of one is noticed from the next change on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("action", sa.Column("state_json", sa.Text(), nullable=True))
    op.add_column("fee_change", sa.Column("base_msat", sa.BigInteger(), nullable=True))
