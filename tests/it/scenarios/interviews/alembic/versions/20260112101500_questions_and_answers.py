"""questions and answers"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "20260112101500"
down_revision = "20260105090000"


def upgrade():
    op.create_table(
        "questions",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("points", sa.Integer, server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("points > 0", name="questions_points_check"),
    )
    op.create_table(
        "answers",
        sa.Column("interview_id", sa.BigInteger, sa.ForeignKey("interviews.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("question_id", sa.BigInteger, sa.ForeignKey("questions.id"), primary_key=True),
        sa.Column("response", JSONB, nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )


def downgrade():
    op.drop_table("answers")
    op.drop_table("questions")
