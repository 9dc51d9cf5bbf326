"""Why a job failed, as its owner is told, and when it was queued last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("failure", sa.JSON(none_as_null=True)))
    # SQLite adds no column without a value for the rows that are there.
    op.add_column("jobs", sa.Column("queued_at", sa.String(40), nullable=False, server_default=""))
    op.execute("UPDATE jobs SET queued_at = created_at")
