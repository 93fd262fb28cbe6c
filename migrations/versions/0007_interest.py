"""How much interest each forward proved, and what each sender has paid for.

Revision: 0007, after 0006. There is no way back: restore a backup.

Forwards that were stored before have no interest of their own: settled ones count by their size, as they did, others
not at all. A sender's settled payments were counted, not added up: each is taken for a typical one, 25,000 sat.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

EARNED = ["node_key", "out_channel_key", "received_at", "fee_msat", "counted_at", "status", "score_msat", "out_msat"]
#: As many typical payments as their sum makes, or as there were, if that is less; in thousandths.
DAY_INTEREST = """
UPDATE forward_day SET settled_interest_permille = CASE
    WHEN settled_out_msat / 25000 >= settled_count * 1000 THEN settled_count * 1000
    ELSE settled_out_msat / 25000
END
"""


def upgrade() -> None:
    for name in ("settled_msat", "unsettled_msat"):
        op.add_column("peer_signal", sa.Column(name, sa.Double(), server_default="0", nullable=False))
    op.execute("UPDATE peer_signal SET settled_msat = success * 25000000.0 WHERE role = 'sender'")
    op.add_column("forward", sa.Column("interest_permille", sa.SmallInteger(), nullable=True))
    for name in ("settled_interest_permille", "failed_interest_permille"):
        op.add_column("forward_day", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.execute(DAY_INTEREST)
    op.drop_index("ix_forward_earned", table_name="forward")
    op.create_index(
        "ix_forward_earned",
        "forward",
        [*EARNED, "interest_permille"],
        unique=False,
        sqlite_where=sa.text("status = 1"),
        postgresql_where=sa.text("status = 1"),
    )
    op.create_index(
        "ix_forward_interest",
        "forward",
        ["node_key", "out_channel_key", "received_at", "interest_permille", "status"],
        unique=False,
        sqlite_where=sa.text("status = 3 AND interest_permille > 0"),
        postgresql_where=sa.text("status = 3 AND interest_permille > 0"),
    )
