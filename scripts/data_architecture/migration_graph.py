"""The graph that the revisions of Alembic form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from check import HIGH, Found, Hit
from data_architecture.dimension import data
from data_architecture.wording import counted, joined
from project import Project
from project.data.migrations import Revision


@data.check(
    "DAT012",
    "migration-graph",
    title="Revision graph with several heads, gaps or duplicates",
    impact=HIGH,
    fix="Run alembic merge heads, and let CI run alembic heads and alembic check.",
)
def migration_graph(project: Project) -> Found:
    """`alembic upgrade head` stops at several heads, at a revision that names a missing parent, and at two files with
    one id.

    Source: Alembic, Working with Branches, https://alembic.sqlalchemy.org/en/latest/branches.html

    Bad:
        # migrations/versions/1_start.py
        revision = "1"
        down_revision = None

        def upgrade():
            pass
        # migrations/versions/2_users.py
        revision = "2"  # DAT012
        down_revision = "1"

        def upgrade():
            pass
        # migrations/versions/3_orders.py
        revision = "3"
        down_revision = "1"

        def upgrade():
            pass
    Good:
        # migrations/versions/1_start.py
        revision = "1"
        down_revision = None

        def upgrade():
            pass
        # migrations/versions/2_users.py
        revision = "2"
        down_revision = "1"

        def upgrade():
            pass
    Not this:
        # migrations/versions/1_start.py
        revision: str = "1"
        down_revision: str | None = None

        def upgrade() -> None:
            pass
        # migrations/versions/2_users.py
        revision = "2"
        down_revision = "1"

        def upgrade():
            pass
        # migrations/versions/3_orders.py
        revision = "3"
        down_revision = "1"

        def upgrade():
            pass
        # migrations/versions/4_merge.py
        revision = "4"
        down_revision = ("2", "3")

        def upgrade():
            pass
    """
    for folder in _by_folder(project.migrations.revisions).values():
        yield from _graph(project, folder)


def _by_folder(revisions: Iterable[Revision]) -> dict[str, list[Revision]]:
    """Revisions of one version location; years and the like below `versions` belong together."""
    found: dict[str, list[Revision]] = {}
    for revision in revisions:
        parts = revision.folder.split("/")
        while parts and parts[-1].isdigit():
            parts.pop()
        found.setdefault("/".join(parts), []).append(revision)
    return found


def _graph(project: Project, revisions: list[Revision]) -> Iterator[Hit]:
    everywhere = {r.id for r in project.migrations.revisions}
    followed = {d for r in project.migrations.revisions for d in r.down}
    heads = [r for r in revisions if r.id not in followed]
    if len(heads) > 1 and not any(r.labels for r in revisions):
        names = joined([h.id for h in heads])
        yield Hit(
            heads[0].place,
            f"{counted(len(heads), 'head')}: {names}; alembic upgrade head stops here",
            places=tuple(h.place for h in heads[1:]),
        )
    for revision in revisions:
        missing = [d for d in revision.down if d not in everywhere]
        if missing and not any(d.startswith("$") for d in missing) and len(revisions) > 1:
            yield Hit(revision.place, f"revision {revision.id} follows {missing[0]}, which no file defines")
    counts = Counter(r.id for r in revisions)
    for identity, number in counts.items():
        if number > 1:
            same = [r for r in revisions if r.id == identity]
            yield Hit(
                same[1].place, f"{number} files have revision id {identity}", places=tuple(r.place for r in same[:1])
            )
