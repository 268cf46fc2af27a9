"""Suppliers; a part says where it is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "suppliers",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("bank_account", sa.String(34), nullable=False),
    )
    op.add_column("parts", sa.Column("shelf", sa.String(10), nullable=False, server_default="A1"))


def downgrade() -> None:
    op.drop_column("parts", "shelf")
    op.drop_table("suppliers")
