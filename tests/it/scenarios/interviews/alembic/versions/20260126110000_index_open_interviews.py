"""index open interviews"""

from alembic import op

revision = "20260126110000"
down_revision = "20260119083000"


def upgrade():
    with op.get_context().autocommit_block():
        op.execute(
            "CREATE INDEX CONCURRENTLY interviews_planned_idx ON interviews (scheduled_at) WHERE status = 'planned'"
        )


def downgrade():
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY interviews_planned_idx")
