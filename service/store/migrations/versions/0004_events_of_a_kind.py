"""A job's events of one kind, found without looking through the others."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("events_of_a_kind", "events", ["job_id", "kind", "sequence"])


def downgrade() -> None:
    op.drop_index("events_of_a_kind", "events")
