"""Statements that are sent, what they load, where rows come from, statements per item of a loop, lazy reads."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.project.trees import expression, function, make

from project import Project

MODELS = """
    from sqlalchemy import ForeignKey
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

    class Base(DeclarativeBase):
        pass

    class Author(Base):
        __tablename__ = "authors"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        books: Mapped[list["Book"]] = relationship(back_populates="author")

    class Book(Base):
        __tablename__ = "books"
        id: Mapped[int] = mapped_column(primary_key=True)
        author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"), index=True)
        author: Mapped[Author] = relationship(back_populates="books")
"""
HEAD = """
    from sqlalchemy import delete, func, insert, select, text, update
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session, joinedload, selectinload
    from models import Author, Book
"""


def tree(folder: Path, body: str, **files: str) -> Project:
    texts = {"models.py": MODELS, "main.py": HEAD + body}
    return make(folder, {**texts, **{f"{name}.py": HEAD + text for name, text in files.items()}})


@pytest.mark.parametrize(
    ("call", "effect", "asynchronous"),
    [
        ("s.execute(select(Author))", "read", False),
        ("s.scalars(select(Author).where(Author.id == 1))", "read", False),
        ("s.get(Author, 1)", "read", False),
        ("s.execute(update(Author).values(name='x'))", "write", False),
        ("s.execute(text('DELETE FROM authors'))", "write", False),
        ("s.execute(text('SELECT 1'))", "read", False),
        ("s.query(Author).filter(Author.id == 1).first()", "read", False),
        ("s.query(Author).filter(Author.id == 1).delete()", "write", False),
        ("a.scalar(select(func.count()))", "read", True),
        ("a.refresh(x)", "read", True),
    ],
)
def test_calls_that_send_a_statement(tmp_path: Path, call: str, effect: str, asynchronous: bool) -> None:
    project = tree(tmp_path, f"\n    def f(s: Session, a: AsyncSession, x):\n        {call}\n")
    found = project.queries.all
    assert [(e.effect, e.asynchronous, e.certainty) for e in found] == [(effect, asynchronous, "resolved")]


@pytest.mark.parametrize("call", ["cache.get(key, 1)", "s.add(x)", "client.execute('run')", "s.commit()", "d.all()"])
def test_calls_that_send_none(tmp_path: Path, call: str) -> None:
    body = f"\n    import redis\n    def f(s: Session, x, d: dict, client, key, cache: redis.Redis):\n        {call}\n"
    assert tree(tmp_path, body).queries.all == []


def test_an_untyped_session_is_known_by_its_statement(tmp_path: Path) -> None:
    project = tree(tmp_path, "\n    def f(db):\n        return db.query(Author).all()\n")
    assert [(e.method, e.certainty) for e in project.queries.all] == [("all", "resolved")]


def test_statements_are_followed_through_variables_branches_and_helpers(tmp_path: Path) -> None:
    project = tree(
        tmp_path,
        """
    def only_new(statement):
        return statement.where(Author.id > 5)

    def f(s: Session, newest: bool):
        statement = select(Author)
        if newest:
            statement = statement.order_by(Author.id.desc())
        statement = only_new(statement).limit(5)
        return s.scalars(statement).all()
""",
    )
    (execution,) = project.queries.all
    (statement,) = execution.statements
    assert statement.model is not None and statement.model.name == "Author"
    assert {b.name for b in statement.built} == {"order_by", "where", "limit"}
    assert statement.limited
    assert not statement.opaque


@pytest.mark.parametrize(
    ("options", "loaded"),
    [
        ("", False),
        (".options(selectinload(Author.books))", True),
        (".options(joinedload(Author.books).selectinload(Book.author))", True),
        (".options(*EAGER)", True),
        (".options(*unknown())", True),
        (".options(selectinload('*'))", True),
        (".options(*given)", True),
        (".options(*chosen)", True),
        (".options(*other)", False),
        (".options(*full_options())", True),
        (".options(*short_options())", False),
    ],
)
def test_what_options_load(tmp_path: Path, options: str, loaded: bool) -> None:
    project = tree(
        tmp_path,
        f"""
    EAGER = [selectinload(Author.books)]

    def book_options():
        return [selectinload(Author.books)]

    def full_options():
        return [joinedload(Book.author), *book_options()]

    def short_options():
        return [joinedload(Book.author)]

    def f(s: Session, unknown, given=None):
        chosen = given if given is not None else short_options()
        other = short_options() if unknown else None
        s.scalars(select(Author){options})
""",
    )
    (execution,) = project.queries.all
    author = project.models.by_name["Author"][0]
    assert project.queries.statements.loads(execution.statements[0]).covers(author, "books") is loaded


@pytest.mark.parametrize(
    ("code", "shape", "model"),
    [
        ("row = s.scalars(select(Author)).first()", "one", "Author"),
        ("row = s.scalars(select(Author)).all()", "list", "Author"),
        ("row = s.execute(select(Author)).scalar_one_or_none()", "one", "Author"),
        ("row = list(s.execute(select(Author)).scalars().unique())", "list", "Author"),
        ("row = s.get(Author, 1)", "one", "Author"),
        ("row = s.query(Author).filter_by(id=1).one()", "one", "Author"),
        ("row, number = s.execute(select(Author, Book)).first()", "one", "Author"),
        ("row = {a.id: a for a in s.scalars(select(Author))}.get(1)", "one", "Author"),
        ("row = [a for a in s.scalars(select(Author))][0]", "one", "Author"),
        ("row = s.get(Author, 1).books", "list", "Book"),
        ("row = helper(s)", "list", "Book"),
        ("row = Repo(s).newest()", "one", "Book"),
    ],
)
def test_rows(tmp_path: Path, code: str, shape: str, model: str) -> None:
    project = tree(
        tmp_path,
        f"""
    def helper(s: Session):
        return s.scalars(select(Book)).all()

    class BaseRepo:
        model = None
        def __init__(self, s: Session):
            self.s = s
        def newest(self):
            return self.s.scalars(select(self.model)).first()

    class Repo(BaseRepo):
        model = Book

    def f(s: Session):
        {code}
        return row
""",
    )
    found = project.rows.returned(function(project, "main.py", "f"))
    assert [(r.shape, r.model.name if r.model else None) for r in found] == [(shape, model)]


def test_rows_reach_functions_as_arguments(tmp_path: Path) -> None:
    project = tree(
        tmp_path,
        """
    def show(authors: list[Author]):
        return [a.books for a in authors]

    def route(s: Session):
        return show(s.scalars(select(Author)).all())
""",
    )
    scope = function(project, "main.py", "show")
    (rows,) = project.rows.of(expression(scope, "a"), scope)
    assert (rows.shape, rows.each is not None, [h.line for h in rows.hops]) == ("one", True, [11])


@pytest.mark.parametrize(
    ("loop", "hit"),
    [
        ("for i in ids:\n            s.get(Author, i)", True),
        ("for i in ids:\n            one(s, i)", True),
        ("for i in ids:\n            deep(s, i)", True),
        ("[one(s, i) for i in ids]", True),
        ("sum(one(s, i) for i in ids)", True),
        ("for a in s.scalars(select(Author)):\n            s.refresh(a)", True),
        ("for n, i in enumerate(ids):\n            one(s, i)", True),
        ("for i in (1, 2):\n            one(s, i)", False),
        ("for i in range(3):\n            one(s, i)", False),
        ("for i in KINDS:\n            one(s, i)", False),
        ("for chunk in chunks(ids):\n            many(s, chunk)", False),
        ("for part in ids:\n            many(s, part)", False),
        ("for i in ids:\n            s.add(Author(id=i))", False),
        ("for a in s.scalars(select(Author)):\n            print(a.name)", False),
        ("for i in ids:\n            if i > 3:\n                return one(s, i)", False),
        ("for i in ids:\n            cached(s, i)", False),
        ("for i in ids:\n            maybe(s, i, found={})", False),
        ("for i in ids:\n            maybe(s, i)", True),
        ("for i in ids:\n            if i not in seen:\n                seen[i] = one(s, i)", False),
        ("while ids:\n            one(s, ids.pop())", False),
        ("for i in ids:\n            many(s, [i])", True),
        ("for statement in ids:\n            s.execute(statement)", False),
        ("for sheet in ids:\n            s.execute(sheet.statement)", False),
        ("for kind in ids:\n            s.query(func.count()).select_from(kind).scalar()", False),
        ("for kind in ids:\n            s.scalars(select(kind)).all()", False),
        ("for i in ids:\n            run(s, select(Author).where(Author.id == i))", True),
        ("for i in ids:\n            found = select(Author).where(Author.id == i)\n            s.execute(found)", True),
    ],
)
def test_statements_per_item(tmp_path: Path, loop: str, hit: bool) -> None:
    project = tree(
        tmp_path,
        f"""
    from functools import lru_cache
    KINDS = ["a", "b"]

    def one(s: Session, i):
        return s.scalar(select(Author).where(Author.id == i))

    def deep(s: Session, i):
        return one(s, i)

    def many(s: Session, ids):
        return s.scalars(select(Author).where(Author.id.in_(ids))).all()

    def run(s: Session, statement):
        return s.execute(statement).all()

    def chunks(ids):
        for i in range(0, len(ids), 5):
            yield ids[i:i + 5]

    @lru_cache
    def cached(s: Session, i):
        return one(s, i)

    def maybe(s: Session, i, found=None):
        return found if found is not None else one(s, i)

    def f(s: Session, ids: list[int], seen: dict):
        {loop}
""",
    )
    assert bool([p for p in project.loops.per_item if p.loop.scope.name == "f"]) is hit


@pytest.mark.parametrize(
    ("body", "effect"),
    [
        ("s.commit()\n        for row in rows:\n            s.refresh(row)", "write"),
        ("for row in rows:\n            s.add(row)\n            s.refresh(row)", "write"),
        ("s.commit()\n        for row in rows:\n            s.refresh(row, ['books'])", "read"),
        ("for row in rows:\n            s.refresh(row)", "read"),
    ],
)
def test_a_refresh_of_what_was_written_belongs_to_the_write(tmp_path: Path, body: str, effect: str) -> None:
    project = tree(tmp_path, f"\n    def f(s: Session, rows):\n        {body}\n")
    assert [p.effect for p in project.loops.per_item] == [effect]


def test_gathered_coroutines_with_sessions_of_their_own_are_left_out(tmp_path: Path) -> None:
    project = tree(
        tmp_path,
        """
    import asyncio
    from sqlalchemy.ext.asyncio import async_sessionmaker

    Maker = async_sessionmaker()

    async def own(i):
        async with Maker() as session:
            return await session.get(Author, i)

    async def f(ids):
        return await asyncio.gather(*[own(i) for i in ids])

    async def g(ids):
        return [await own(i) for i in ids]
""",
    )
    assert [p.loop.scope.name for p in project.loops.per_item] == ["g"]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("for a in s.scalars(select(Author)):\n            a.books", ["books"]),
        ("for a in s.scalars(select(Author).options(selectinload(Author.books))):\n            a.books", []),
        ("for b in s.scalars(select(Book)):\n            b.author.name", ["author"]),
        ("for b in s.scalars(select(Book).where(Book.author_id == 1)):\n            b.author.name", []),
        ("for b in s.scalars(select(Book).where(Book.author_id.in_(keys))):\n            b.author.name", []),
        ("for a in find(s, full=False):\n            a.books", ["books"]),
        ("for a in find(s, full=True):\n            a.books", []),
        ("for a in s.scalars(select(Author)):\n            [b.author for b in a.books]", ["books"]),
        ("for a in s.scalars(select(Author)):\n            show(a, full=False)", []),
        ("for a in s.scalars(select(Author)):\n            show(a, full=True)", ["books"]),
    ],
)
def test_lazy_reads(tmp_path: Path, code: str, found: list[str]) -> None:
    project = tree(
        tmp_path,
        f"""
    def show(a: Author, full: bool):
        return a.books if full else a.name

    def find(s: Session, full: bool):
        if full:
            return s.scalars(select(Author).options(selectinload(Author.books))).all()
        else:
            return s.scalars(select(Author)).all()

    def f(s: Session):
        {code}
""",
    )
    assert [r.relationship.name for r in project.lazy_reads if r.each is not None] == found


def test_tortoise_query_sets(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "main.py": """
            from tortoise import fields
            from tortoise.models import Model

            class Team(Model):
                id = fields.IntField(primary_key=True)
                name = fields.CharField(max_length=20)

            class Hero(Model):
                id = fields.IntField(primary_key=True)
                team = fields.ForeignKeyField("models.Team", related_name="heroes")

            async def f(ids):
                heroes = await Hero.filter(id__gt=1).prefetch_related("team")
                first = await Hero.all().first()
                for i in ids:
                    await Hero.get(id=i)
                for hero in heroes:
                    await hero.team
                for team in await Team.all():
                    await team.heroes
                return first.team.name
            """
        },
    )
    assert [e.method for e in project.queries.all] == ["await", "first", "get", "await"]
    assert [p.loop.over for p in project.loops.per_item] == ["ids"]
    assert [r.relationship.name for r in project.lazy_reads if r.each] == ["heroes"]
    assert [r.relationship.name for r in project.unfetched_reads] == ["team"]


def test_equality_filters(tmp_path: Path) -> None:
    project = tree(
        tmp_path,
        """
    def f(s: Session, name: str, ids: list[int]):
        s.scalars(select(Author).where(Author.name == name, Author.id.in_(ids)))
        s.query(Book).filter_by(author_id=1).all()
        s.execute(select(Author).join(Book, Book.author_id == Author.id).where(Author.id > 3))
        s.execute(delete(Book).where((Book.id == 1) & Book.author_id.is_(None)))
        s.execute(insert(Author).values(name="x"))
""",
    )
    assert [(f.model.name, sorted(f.columns), sorted(f.nulls)) for f in project.filters.all] == [
        ("Author", ["id", "name"], []),
        ("Book", ["author_id"], []),
        ("Book", ["id"], ["author_id"]),
    ]


def test_a_generic_repository_is_bound_by_the_model_it_is_given(tmp_path: Path) -> None:
    project = tree(
        tmp_path,
        """
    class Repository:
        def __init__(self, model):
            self.model = model

        def many(self, s: Session):
            return s.query(self.model).limit(10).all()

        def statement(self):
            return select(self.model)

    authors = Repository(Author)

    def f(s: Session):
        rows = authors.many(s)
        more = s.scalars(authors.statement()).all()
        made = Repository(Book).many(s)
""",
    )
    scope = function(project, "main.py", "f")
    found = {
        ast.unparse(a.targets[0]): [r.model.name for r in project.rows.of(a.value, scope) if r.model]
        for a in scope.all(ast.Assign)
    }
    assert found == {"rows": ["Author"], "more": ["Author"], "made": ["Book"]}


@pytest.mark.parametrize(
    ("code", "methods"),
    [
        (
            (
                "from odmantic import AIOEngine, Model\nengine = AIOEngine()\nclass Team(Model):\n    name: str\n"
                "async def f(names):\n    for n in names:\n        await engine.find_one(Team, Team.name == n)\n"
            ),
            ["find_one"],
        ),
        (
            (
                "from beanie import Document, Link\nclass Team(Document):\n    name: str\nclass Hero(Document):\n"
                "    team: Link[Team]\nasync def f():\n    async for h in Hero.find(Hero.id == 1):\n"
                "        await h.fetch_link('team')\n"
            ),
            ["fetch_link"],
        ),
    ],
)
def test_documents_read_per_item(tmp_path: Path, code: str, methods: list[str]) -> None:
    project = make(tmp_path, {"main.py": code})
    assert [p.execution.method for p in project.loops.per_item] == methods
