"""The newest jobs in a state, found without looking through the others."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("jobs_newest_first_by_state", "jobs", ["kind", "state", "created_at", "id"])


def downgrade() -> None:
    op.drop_index("jobs_newest_first_by_state", "jobs")
