"""interview status"""

from alembic import op

revision = "20260119083000"
down_revision = "20260112101500"


def upgrade():
    op.execute("CREATE TYPE interview_status AS ENUM ('planned', 'held', 'cancelled')")
    op.execute("ALTER TABLE interviews ADD COLUMN status interview_status NOT NULL DEFAULT 'planned'")
    op.execute("UPDATE interviews SET status = 'held' WHERE scheduled_at < '2026-01-19 00:00:00+00'")


def downgrade():
    op.drop_column("interviews", "status")
    op.execute("DROP TYPE interview_status")
