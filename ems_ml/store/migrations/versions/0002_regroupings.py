"""Regroupings with what each changed, and what the models before would have decided"""

import sqlalchemy as sa
from alembic import op

from ems_ml.store.schema import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Numbers of exemplars that undoing a regrouping removes must not come again; PostgreSQL never gives them again.
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("exemplar", recreate="always", table_kwargs={"sqlite_autoincrement": True}):
            pass
    op.create_table(
        "regrouping",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("run", sa.String(length=16), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("time", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("models", sa.String(length=40), nullable=False),
        sa.Column("models_before", sa.String(length=40), nullable=False),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("last_event", sa.Integer(), nullable=False),
        sa.Column("last_exemplar", sa.Integer(), nullable=False),
        sa.Column("last_decision", sa.Integer(), nullable=False),
        sa.Column("undone", UtcDateTime(), nullable=True),
        sa.Column("undone_by", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["project"], ["project.name"], name=op.f("fk_regrouping_project_project")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_regrouping")),
    )
    with op.batch_alter_table("regrouping", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_regrouping_project"), ["project"], unique=False)

    op.create_table(
        "regrouped",
        sa.Column("regrouping", sa.Integer(), nullable=False),
        sa.Column("thing", sa.String(length=10), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("was", sa.String(length=40), nullable=True),
        sa.Column("given", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["regrouping"], ["regrouping.number"], name=op.f("fk_regrouped_regrouping_regrouping")),
        sa.PrimaryKeyConstraint("regrouping", "thing", "key", name=op.f("pk_regrouped")),
    )
    op.create_table(
        "regrouped_pattern",
        sa.Column("regrouping", sa.Integer(), nullable=False),
        sa.Column("pattern", sa.String(length=40), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("home", sa.String(length=40), nullable=True),
        sa.Column("question", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["regrouping"], ["regrouping.number"], name=op.f("fk_regrouped_pattern_regrouping_regrouping")
        ),
        sa.PrimaryKeyConstraint("regrouping", "pattern", name=op.f("pk_regrouped_pattern")),
    )
    with op.batch_alter_table("regrouped_pattern", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_regrouped_pattern_pattern"), ["pattern"], unique=False)

    op.create_table(
        "second_opinion",
        sa.Column("event", sa.Integer(), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("models", sa.String(length=40), nullable=False),
        sa.Column("decided_by", sa.String(length=40), nullable=False),
        sa.Column("decision", sa.String(length=20), nullable=False),
        sa.Column("pattern", sa.String(length=40), nullable=True),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("differs", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["event"], ["event.number"], name=op.f("fk_second_opinion_event_event")),
        sa.ForeignKeyConstraint(["project"], ["project.name"], name=op.f("fk_second_opinion_project_project")),
        sa.PrimaryKeyConstraint("event", name=op.f("pk_second_opinion")),
    )
    with op.batch_alter_table("second_opinion", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_second_opinion_project"), ["project"], unique=False)


def downgrade() -> None:
    for table in ("second_opinion", "regrouped_pattern", "regrouped", "regrouping"):
        op.drop_table(table)
