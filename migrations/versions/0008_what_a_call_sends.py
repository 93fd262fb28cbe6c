"""What a strategy remembers once a call is carried out, kept with the call.

Revision: 0008, after 0007. There is no way back: restore a backup.

Calls that are open at the upgrade have none.
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
