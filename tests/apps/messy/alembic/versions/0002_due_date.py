"""Orders have a due date."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("repair_orders", sa.Column("due_on", sa.Date(), nullable=False))  # DAT011


def downgrade() -> None:  # DAT013
    pass
