"""How queries and sessions are used: whole tables in memory, lost writes, idioms of old versions."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from check import HIGH, LOW, MEDIUM, Found, Hit
from data_architecture.dimension import data
from data_architecture.wording import counted, request_hop
from project import Function, Place, Project, Scope
from project.data.queries import Execution
from project.data.sessions import Opening
from project.data.statements import DELETE, INSERT, TEXT, UPDATE, is_session_class
from project.language.dataflow import reaching
from project.language.literals import truth
from project.language.scopes import parent, parents
from project.language.value_types import Instance

_WRITES = frozenset("add add_all delete merge bulk_save_objects bulk_insert_mappings bulk_update_mappings".split())
_ENDS = frozenset("commit begin begin_nested".split())


@data.check(
    "DAT022",
    "whole-table-in-python",
    title="Rows are loaded only to be counted or tested",
    impact=MEDIUM,
    fix="Ask the database: select(func.count()), exists(), or limit(1).",
)
def whole_table_in_python(project: Project) -> Found:
    """All rows travel and become objects for one number or one row; memory and time grow with the table.

    Source: SQLAlchemy, ORM Querying Guide, https://docs.sqlalchemy.org/en/21/orm/queryguide/index.html

    Bad:
        from sqlalchemy import select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase):
            pass

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)

        def count(session: Session) -> int:
            return len(session.scalars(select(Order)).all())  # DAT022

        def newest(session: Session) -> Order:
            return session.scalars(select(Order).order_by(Order.id.desc())).all()[0]  # DAT022
    Good:
        from sqlalchemy import func, select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase):
            pass

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)

        def count(session: Session) -> int:
            return session.scalar(select(func.count()).select_from(Order))

        def newest(session: Session) -> Order:
            return session.scalars(select(Order).order_by(Order.id.desc()).limit(1)).first()
    Not this:
        from sqlalchemy import select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase):
            pass

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)

        def page(session: Session) -> dict:
            orders = session.scalars(select(Order).limit(50)).all()
            return {"items": orders, "shown": len(orders)}
    """
    for execution in project.queries.all:
        if any(s.limited for s in execution.statements) or not execution.statements:
            continue
        if execution.statements[0].kind in (INSERT, UPDATE, DELETE, TEXT):
            continue
        found = _wasted(execution)
        if found:
            node, message = found
            filtered = all(s.calls("where", "filter", "filter_by") for s in execution.statements)
            yield Hit(
                execution.scope.place(node),
                message.replace("every row", "every row that matches") if filtered else message,
                request_hop(project, execution.scope),
                LOW if filtered else None,
                execution.certainty,
            )


def _wasted(execution: Execution) -> tuple[ast.AST, str] | None:
    """The use of the rows that needs only a number, one row, or a yes."""
    rows = _rows_call(execution)
    if rows is None:
        return None
    use = _single_use(execution, rows)
    holder = parent(use) if use is not None else None
    if (
        isinstance(holder, ast.Call)
        and isinstance(holder.func, ast.Name)
        and holder.func.id == "len"
        and holder.args
        and holder.args[0] is use
    ):
        return holder, "loads every row to count them"
    if (
        isinstance(holder, ast.Subscript)
        and holder.value is use
        and isinstance(holder.slice, ast.Constant)
        and holder.slice.value in (0, -1)
        and use is rows
    ):
        return holder, "loads every row to take one"
    if isinstance(holder, ast.If) and holder.test is use and use is rows:
        return use, "loads every row to see whether there is one"
    return None


def _rows_call(execution: Execution) -> ast.expr | None:
    """The `.all()` or `.fetchall()` that makes the list, with its await; the execution itself for a legacy query."""
    current: ast.expr = execution.node
    for _ in range(12):
        holder = parent(current)
        if isinstance(holder, ast.Assign):
            used = _single_use(execution, current)
            if used is None or used is current:
                return None
            current = used
        elif isinstance(holder, (ast.Await, ast.Attribute)) and holder.value is current:
            current = holder
        elif isinstance(holder, ast.Call) and holder.func is current:
            current = holder
            if isinstance(holder.func, ast.Attribute) and holder.func.attr in ("all", "fetchall", "to_list"):
                return _awaited(current)
        else:
            break
    return _awaited(execution.node) if execution.method in ("all", "to_list") else None


def _awaited(node: ast.expr) -> ast.expr:
    holder = parent(node)
    return holder if isinstance(holder, ast.Await) else node


def _single_use(execution: Execution, rows: ast.expr) -> ast.expr | None:
    """Where the rows are used: the expression itself, or the one place that reads the name they are assigned to."""
    holder = parent(rows)
    if not isinstance(holder, ast.Assign):
        return rows
    target = holder.targets[0]
    if len(holder.targets) > 1 or not isinstance(target, ast.Name):
        return None
    loads = [
        n for s in execution.scope.walk() for n in s.all(ast.Name) if n.id == target.id and isinstance(n.ctx, ast.Load)
    ]
    uses = [n for n in loads if any(b.node is holder for b in reaching(execution.scope, target.id, n))]
    alone = uses and [b.node for b in reaching(execution.scope, target.id, uses[0])] == [holder]
    return uses[0] if len(uses) == 1 and alone else None


@data.check(
    "DAT023",
    "write-without-commit",
    title="Write that is never committed",
    impact=HIGH,
    anti_pattern=6,
    fix="Commit once at the end of the block, or open a session of its own: with SessionLocal.begin() as session.",
)
def write_without_commit(project: Project) -> Found:
    """Closing a session rolls back what was not committed: the write is lost without an error.

    Source: SQLAlchemy, Session Basics, https://docs.sqlalchemy.org/en/21/orm/session_basics.html

    Bad:
        from sqlalchemy import create_engine
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase):
            pass

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)

        engine = create_engine("sqlite://")

        def store():
            with Session(engine) as session:  # DAT023
                session.add(Order())
    Good:
        from sqlalchemy import create_engine
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase):
            pass

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)

        engine = create_engine("sqlite://")

        def store():
            with Session(engine) as session, session.begin():
                session.add(Order())
    Not this:
        from sqlalchemy import create_engine
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase):
            pass

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)

        engine = create_engine("sqlite://")

        def save(session: Session):
            session.commit()

        def store():
            with Session(engine) as session:
                session.add(Order())
                save(session)

        def session_scope():
            with Session(engine) as session:
                yield session
    """
    for opening in project.sessions.openings:
        if opening.held == "with" and opening.name and not opening.yielded and isinstance(opening.scope, Function):
            write = _lost_write(project, opening)
            if write is not None:
                yield Hit(
                    opening.place,
                    f"{opening.name} writes at line {write.line} and is closed without a commit",
                    (write,),
                )


def _lost_write(project: Project, opening: Opening) -> Place | None:
    """The first write in a block that neither commits nor hands its session to anyone."""
    block = next((h for h in parents(opening.call) if isinstance(h, (ast.With, ast.AsyncWith))), None)
    if block is None or _autocommits(opening):
        return None
    write: Place | None = None
    for node in (n for s in block.body for n in ast.walk(s)):
        if not (isinstance(node, ast.Name) and node.id == opening.name):
            continue
        holder = parent(node)
        if not isinstance(holder, ast.Attribute):
            return None  # handed on: who gets it may commit
        if holder.attr in _ENDS or holder.attr in ("connection", "get_bind", "bind", "transaction", "in_transaction"):
            return None
        call = parent(holder)
        if (
            write is None
            and isinstance(call, ast.Call)
            and call.func is holder
            and _is_write(project, holder.attr, call, opening.scope)
        ):
            write = opening.scope.place(call, "writes")
    items = [
        i
        for i in block.items
        if any(isinstance(n, ast.Attribute) and n.attr == "begin" for n in ast.walk(i.context_expr))
    ]
    return None if items else write


def _is_write(project: Project, method: str, call: ast.Call, scope: Scope) -> bool:
    if method in _WRITES:
        return True
    if method in ("execute", "exec", "scalar", "scalars") and call.args:
        return any(s.kind in (INSERT, UPDATE, DELETE) for s in project.queries.statements.of(call.args[0], scope))
    return False


def _autocommits(opening: Opening) -> bool:
    return any("AUTOCOMMIT" in ast.unparse(n) for n in (opening.call,)) or any(
        k.arg == "autocommit" for k in opening.call.keywords
    )


@data.check(
    "DAT025",
    "legacy-sqlalchemy",
    title="Idioms of SQLAlchemy 1.x",
    impact=LOW,
    fix="Use select() with session.scalars(), sqlalchemy.orm.DeclarativeBase, and text() around SQL strings.",
)
def legacy_sqlalchemy(project: Project) -> Found:
    """Legacy queries cannot be used with AsyncSession and get no new features; what SQLAlchemy 2 removed fails at run
    time.

    Source: SQLAlchemy, Migrating to 2.0, https://docs.sqlalchemy.org/en/20/changelog/migration_20.html

    Bad:
        # requirements.txt
        sqlalchemy==2.0.43
        # main.py
        from sqlalchemy import create_engine
        from sqlalchemy.ext.declarative import declarative_base  # DAT025
        from sqlalchemy.orm import Session

        Base = declarative_base()

        def count(session: Session):
            session.execute("SELECT 1")  # DAT025
    Good:
        # requirements.txt
        sqlalchemy==2.0.43
        # main.py
        from sqlalchemy import text
        from sqlalchemy.orm import DeclarativeBase, Session

        class Base(DeclarativeBase):
            pass

        def count(session: Session):
            session.execute(text("SELECT 1"))
    Not this:
        # requirements.txt
        sqlalchemy==1.4.54
        # main.py
        from sqlalchemy.ext.declarative import declarative_base
        from sqlalchemy.orm import Session

        Base = declarative_base()

        def count(session: Session):
            session.execute("SELECT 1")
    """
    if project.stack.at_least("sqlalchemy", "2.0") is False:
        return
    yield from _legacy_queries(project)
    yield from _moved_names(project)
    yield from _removed_forms(project)


def _legacy_queries(project: Project) -> Iterator[Hit]:
    statements = {id(s.node): (s.scope, s.node) for e in project.queries.all for s in e.statements if s.kind == "query"}
    if len(statements) >= 3:
        places = sorted(scope.place(node) for scope, node in statements.values())
        yield Hit(places[0], f"session.query() is used in {counted(len(places), 'place')}", places=tuple(places[1:]))


def _moved_names(project: Project) -> Iterator[Hit]:
    for module in project.app_modules:
        for node in module.all(ast.ImportFrom):
            if node.module == "sqlalchemy.ext.declarative" and any(a.name == "declarative_base" for a in node.names):
                yield Hit(
                    module.place(node), "declarative_base moved to sqlalchemy.orm (a warning since SQLAlchemy 2.0)"
                )


def _removed_forms(project: Project) -> Iterator[Hit]:
    if project.stack.at_least("sqlalchemy", "2.0") is not True:
        return
    for factory in project.sessions.factories:
        if truth(factory.options.get("autocommit")):
            yield Hit(
                factory.place, "sessionmaker(autocommit=True) raises ArgumentError since SQLAlchemy 2.0", impact=HIGH
            )
    for call, scope in project.spelled.calls("execute"):
        if (
            isinstance(call.func, ast.Attribute)
            and call.args
            and isinstance(call.args[0], (ast.Constant, ast.JoinedStr))
        ) and any(
            isinstance(v, Instance) and is_session_class(v, project.names)
            for v in project.values.of(call.func.value, scope)
        ):
            yield Hit(
                scope.place(call),
                "a plain string is not executable since SQLAlchemy 2.0: wrap it in text()",
                impact=HIGH,
            )
