"""The first tables"""

import sqlalchemy as sa
from alembic import op

from ems_ml.store.schema import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "counter",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("label", sa.String(length=80), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", "label", name=op.f("pk_counter")),
    )
    op.create_table(
        "inbox",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("received", UtcDateTime(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_inbox")),
    )
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.create_index("ix_inbox_project_id", ["project", "id"], unique=False)

    op.create_table(
        "project",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_project")),
    )
    op.create_table(
        "api_key",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("scope", sa.String(length=20), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["project.name"], name=op.f("fk_api_key_project_project")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_api_key")),
    )
    op.create_table(
        "decision",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("time", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["project.name"], name=op.f("fk_decision_project_project")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_decision")),
    )
    op.create_table(
        "pattern",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_seen", UtcDateTime(), nullable=False),
        sa.Column("last_seen", UtcDateTime(), nullable=False),
        sa.Column("example", sa.String(length=200), nullable=False),
        sa.Column("merged_into", sa.String(length=40), nullable=True),
        sa.Column("strategies", sa.JSON(), nullable=False),
        sa.Column("suggestion", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["merged_into"], ["pattern.id"], name=op.f("fk_pattern_merged_into_pattern")),
        sa.ForeignKeyConstraint(["project"], ["project.name"], name=op.f("fk_pattern_project_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pattern")),
    )
    with op.batch_alter_table("pattern", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pattern_last_seen"), ["last_seen"], unique=False)
        batch_op.create_index(batch_op.f("ix_pattern_merged_into"), ["merged_into"], unique=False)
        batch_op.create_index(batch_op.f("ix_pattern_project"), ["project"], unique=False)

    op.create_table(
        "event",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("pattern", sa.String(length=40), nullable=False),
        sa.Column("exact", sa.String(length=32), nullable=False),
        sa.Column("time", UtcDateTime(), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("assignment", sa.Text(), nullable=False),
        sa.Column("strategies", sa.JSON(), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("ms", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["pattern"], ["pattern.id"], name=op.f("fk_event_pattern_pattern")),
        sa.ForeignKeyConstraint(["project"], ["project.name"], name=op.f("fk_event_project_project")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_event")),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_event_pattern"), ["pattern"], unique=False)
        batch_op.create_index(batch_op.f("ix_event_time"), ["time"], unique=False)
        batch_op.create_index("ux_event_project_id", ["project", "id"], unique=True)

    op.create_table(
        "exact",
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("pattern", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["pattern"], ["pattern.id"], name=op.f("fk_exact_pattern_pattern")),
        sa.ForeignKeyConstraint(["project"], ["project.name"], name=op.f("fk_exact_project_project")),
        sa.PrimaryKeyConstraint("project", "key", name=op.f("pk_exact")),
    )
    with op.batch_alter_table("exact", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_exact_pattern"), ["pattern"], unique=False)

    op.create_table(
        "exemplar",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("pattern", sa.String(length=40), nullable=False),
        sa.Column("event", sa.String(length=200), nullable=False),
        sa.Column("encoder", sa.String(length=120), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["pattern"], ["pattern.id"], name=op.f("fk_exemplar_pattern_pattern")),
        sa.ForeignKeyConstraint(["project"], ["project.name"], name=op.f("fk_exemplar_project_project")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_exemplar")),
    )
    with op.batch_alter_table("exemplar", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_exemplar_pattern"), ["pattern"], unique=False)
        batch_op.create_index(batch_op.f("ix_exemplar_project"), ["project"], unique=False)

    op.create_table(
        "fix_attempt",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("time", UtcDateTime(), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("event", sa.String(length=200), nullable=False),
        sa.Column("pattern", sa.String(length=40), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["pattern"], ["pattern.id"], name=op.f("fk_fix_attempt_pattern_pattern")),
        sa.ForeignKeyConstraint(["project"], ["project.name"], name=op.f("fk_fix_attempt_project_project")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_fix_attempt")),
    )
    with op.batch_alter_table("fix_attempt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_fix_attempt_pattern"), ["pattern"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("fix_attempt", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_fix_attempt_pattern"))

    op.drop_table("fix_attempt")
    with op.batch_alter_table("exemplar", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_exemplar_project"))
        batch_op.drop_index(batch_op.f("ix_exemplar_pattern"))

    op.drop_table("exemplar")
    with op.batch_alter_table("exact", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_exact_pattern"))

    op.drop_table("exact")
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.drop_index("ux_event_project_id")
        batch_op.drop_index(batch_op.f("ix_event_time"))
        batch_op.drop_index(batch_op.f("ix_event_pattern"))

    op.drop_table("event")
    with op.batch_alter_table("pattern", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pattern_project"))
        batch_op.drop_index(batch_op.f("ix_pattern_merged_into"))
        batch_op.drop_index(batch_op.f("ix_pattern_last_seen"))

    op.drop_table("pattern")
    op.drop_table("decision")
    op.drop_table("api_key")
    op.drop_table("project")
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.drop_index("ix_inbox_project_id")

    op.drop_table("inbox")
    op.drop_table("counter")
