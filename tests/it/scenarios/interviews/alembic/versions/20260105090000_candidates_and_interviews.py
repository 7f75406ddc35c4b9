"""candidates and interviews"""

import sqlalchemy as sa
from alembic import op

revision = "20260105090000"
down_revision = None


def upgrade():
    op.create_table(
        "candidates",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("email", sa.Text, nullable=False, unique=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.create_table(
        "interviews",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("candidate_id", sa.BigInteger, sa.ForeignKey("candidates.id", ondelete="CASCADE"), nullable=False),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.create_index("interviews_candidate_id_idx", "interviews", ["candidate_id"])


def downgrade():
    op.drop_table("interviews")
    op.drop_table("candidates")
