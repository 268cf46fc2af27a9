"""Fields that clients may not set or see: mass assignment, and secrets in responses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import HIGH, MEDIUM, Found, Hit
from project import Class, Function, Project, Scope
from project.data.models import Model
from project.language.scopes import parent
from project.language.value_types import Instance
from project.place import Place
from project.routing.routes import Route
from project.routing.schemas import Field
from project.routing.usage import Use
from security.around import last_name
from security.callers import changes, is_for_admins, is_for_few, named, place_of
from security.dimension import security
from security.library_users import updates_of_others
from security.openness import reached_functions

PRIVILEGED = re.compile(
    r"^(is_)?(admin|superuser|super_user|staff|root|moderator|verified|email_verified|approved)$|^(user_)?roles?(_ids?)?$|"
    r"^(permissions?|scopes|privileges|owner_id|balance|credits?|wallet|is_paid|hashed_password|password_hash)$",
    re.IGNORECASE,
)
SENSITIVE = re.compile(
    r"^((user_|hashed_|encrypted_)?(password|passwd|pwd|passphrase)(_hash|_digest|_salt)?|hash(ed)?_?pass\w*|totp_secret|"
    r"otp_secret|mfa_secret|two_factor_secret|recovery_codes|backup_codes|private_key|ssn|social_security_number|cvv|cvc|"
    r"card_number|credit_card|reset_token|verification_token)$",
    re.IGNORECASE,
)
PERSON = re.compile(
    r"user|account|member|customer|profile|admin|employee|patient|person|author|owner|login|principal", re.I
)
HANDED_OUT = re.compile(
    r"token|login|auth|key|secret|credential|rotate|regenerate|generate|setup|enroll|mfa|totp|otp|register|sign|webhook|invite|"
    r"recovery|backup",
    re.IGNORECASE,
)
CHOOSES = re.compile(r"(^|_)(id|uuid|pk|email|e_mail|user_?name|login|slug)$", re.IGNORECASE)  # whose row it is
HASH = re.compile(r"passw|pwd|hash", re.IGNORECASE)
DUMPS = frozenset(("model_dump", "dict"))
CONSTRUCTS = frozenset(("model_validate", "from_orm", "parse_obj"))
_COPYING = CONSTRUCTS.union(("setattr", "values", "sqlmodel_update", "update_from_dict"))
TEXTS = frozenset(f"builtins.{name}" for name in ("str", "bytes", "list", "dict", "set")) | {"typing.Any"}


@security.check(
    "SEC008",
    "mass-assignment",
    title="Client sets a privileged field",
    impact=HIGH,
    anti_pattern=8,
    fix="Take the field out of the schema and set it in the code.",
)
def mass_assignment(project: Project) -> Found:
    """The request schema declares a field that decides about rights: who sends it gets it.

    Source: OWASP API3:2023, https://owasp.org/API-Security/editions/2023/en/0xa3-broken-object-property-level-authorization/

    Bad:
        from fastapi import FastAPI
        from pydantic import BaseModel
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        app = FastAPI()

        class Base(DeclarativeBase): ...

        class User(Base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
            is_admin: Mapped[bool]

        class UserBase(BaseModel):
            name: str
            is_admin: bool = False

        class UserCreate(UserBase):
            password: str

        @app.post("/users", status_code=201)
        def register(body: UserCreate, session) -> None:
            session.add(User(**body.model_dump(exclude={"password"})))  # SEC008

        @app.patch("/users/me")
        def change(body: UserBase, user: User) -> None:
            for name, value in body.model_dump().items():
                setattr(user, name, value)  # SEC008
    Good:
        from fastapi import FastAPI
        from pydantic import BaseModel
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        app = FastAPI()

        class Base(DeclarativeBase): ...

        class User(Base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
            is_admin: Mapped[bool]

        class UserCreate(BaseModel):
            name: str

        @app.post("/users", status_code=201)
        def register(body: UserCreate, session) -> None:
            session.add(User(**body.model_dump(), is_admin=False))
    Not this:
        from fastapi import Depends, FastAPI, HTTPException
        from fastapi.security import OAuth2PasswordBearer
        from pydantic import BaseModel
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        app = FastAPI()
        scheme = OAuth2PasswordBearer(tokenUrl="/login")

        class Base(DeclarativeBase): ...

        class User(Base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
            role: Mapped[str]

        class UserCreate(BaseModel):
            name: str
            role: str = "reader"

        def require_admin(token: str = Depends(scheme)):
            if token != "admin":
                raise HTTPException(403)

        @app.post("/users", dependencies=[Depends(require_admin)], status_code=201)
        def create(body: UserCreate, session) -> None:
            session.add(User(**body.model_dump()))

        @app.post("/register", status_code=201)
        def register(body: UserCreate, session) -> None:
            session.add(User(**body.model_dump(exclude={"role"}), role="reader"))

        class Grant(BaseModel):
            role: str

        @app.patch("/members/{key}/role")
        def grant(key: int, body: Grant, row: User, token: str = Depends(scheme)) -> None:
            for name, value in body.model_dump().items():
                setattr(row, name, value)
    """
    for module in project.app_modules:
        for scope in module.walk():
            if isinstance(scope, Function):
                yield from _copies(project, scope)
    yield from updates_of_others(project)


def _copies(project: Project, scope: Function) -> Iterator[Hit]:
    if _COPYING.isdisjoint(scope.called) and all(keyword.arg for keyword in scope.all(ast.keyword)):
        return
    for call in scope.all(ast.Call):
        for model, source in _assignments(project, call, scope):
            schema, excluded = _schema_of(project, source, scope)
            if schema is None:
                continue
            reaching = _handlers_reaching(project, scope)
            uses = [u for u in project.usage.bodies.get(schema, []) if not u.path and u.route.function in reaching]
            exposed = [u.route for u in uses if not is_for_few(project, u.route) and _hands_on(u, scope)]
            field, place = _privileged(project, schema, model, excluded | _handled(scope, call))
            if exposed and field:
                message = f"{named(exposed[0])} copies {field} from the client into {model.name}"
                yield Hit(scope.place(call), message, (place_of(exposed[0]), place))


def _hands_on(use: Use, copying: Function) -> bool:
    """Whether the handler copies the body itself or hands it on whole, rather than single fields of it."""
    handler, name = use.route.function, use.parameter.name if use.parameter is not None else ""
    if handler is None or not name or handler is copying:
        return True
    uses = [n for scope in handler.walk() for n in scope.all(ast.Name) if n.id == name and isinstance(n.ctx, ast.Load)]
    holders = [parent(use) for use in uses]
    return any(not isinstance(holder, ast.Attribute) or holder.attr in DUMPS for holder in holders)


def _handlers_reaching(project: Project, scope: Scope) -> set[Function]:
    function = project.requests.within(scope)
    return {root.function for root in project.requests.roots_reaching(function)} if function is not None else set()


def _assignments(project: Project, call: ast.Call, scope: Function) -> Iterator[tuple[Model, ast.expr]]:
    """Calls that give a row everything that a mapping or schema holds: (model, what is copied)."""
    starred = next((k.value for k in call.keywords if k.arg is None), None) if call.keywords else None
    name = last_name(call.func)
    if name == "setattr" and len(call.args) == 3:
        mapping = _looped_over(call.args[1], scope) or _looked_up(call.args[2])
        model = _model(project, call.args[0], scope)
        if mapping is not None and model is not None:
            yield model, mapping
    elif name == "values" and starred is not None:
        statements = project.queries.statements.of(call, scope)
        yield from ((s.model, starred) for s in statements if s.model is not None)
    elif name in ("sqlmodel_update", "update_from_dict") and call.args and isinstance(call.func, ast.Attribute):
        model = _model(project, call.func.value, scope)
        if model is not None:
            yield model, call.args[0]
    elif name in CONSTRUCTS and call.args and isinstance(call.func, ast.Attribute):
        model = project.models.of(project.names.resolve(call.func.value, scope))
        if model is not None and not any(k.arg == "update" for k in call.keywords):
            yield model, call.args[0]
    elif starred is not None:
        model = project.models.of(project.names.resolve(call.func, scope))
        if model is not None:
            yield model, starred


def _model(project: Project, row: ast.expr, scope: Scope) -> Model | None:
    values = project.values.of(row, scope)
    found = (project.models.of(v.cls) for v in values if isinstance(v, Instance))
    known = next((m for m in found if m is not None), None)
    return known or next((r.model for r in project.rows.of(row, scope) if r.model is not None), None)


def _looped_over(name: ast.expr, scope: Function) -> ast.expr | None:
    """The mapping of `for name, value in mapping.items()`."""
    if not isinstance(name, ast.Name):
        return None
    loops = [b.value for b in scope.bindings.get(name.id, []) if b.kind == "for" and b.value is not None]
    items = loops[-1] if loops else None
    if isinstance(items, ast.Call) and last_name(items.func) == "items" and isinstance(items.func, ast.Attribute):
        return items.func.value
    return None


def _looked_up(value: ast.expr) -> ast.expr | None:
    """The mapping of `mapping[name]`."""
    return value.value if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Name) else None


def _schema_of(project: Project, source: ast.expr, scope: Function, depth: int = 0) -> tuple[Class | None, set[str]]:
    """The request schema whose fields an expression holds, and the fields left out."""
    if isinstance(source, ast.Name) and depth < 4:
        values = [b.value for b in scope.bindings.get(source.id, []) if b.kind == "assign" and b.value is not None]
        if len(values) == 1 and len(scope.bindings[source.id]) == 1:
            return _schema_of(project, values[0], scope, depth + 1)
    if isinstance(source, ast.Call):
        name = last_name(source.func)
        if name == "jsonable_encoder" and source.args:
            return _schema_of(project, source.args[0], scope, depth + 1)
        if name in DUMPS and isinstance(source.func, ast.Attribute):
            if any(k.arg == "include" for k in source.keywords):
                return None, set()
            excluded = {
                c.value
                for k in source.keywords
                if k.arg == "exclude"
                for c in ast.walk(k.value)
                if isinstance(c, ast.Constant) and isinstance(c.value, str)
            }
            return _instance_of_schema(project, source.func.value, scope), excluded
        return None, set()
    return _instance_of_schema(project, source, scope), set()


def _instance_of_schema(project: Project, expr: ast.expr, scope: Scope) -> Class | None:
    for value in project.values.of(expr, scope):
        cls = value.cls if isinstance(value, Instance) else None
        if isinstance(cls, Class) and project.schemas.of(cls) is not None and project.models.of(cls) is None:
            return cls if cls in project.usage.bodies else None
    return None


def _privileged(project: Project, schema: Class, model: Model, handled: set[str]) -> tuple[str, Place]:
    """A field of the schema that the row has as well and that decides about rights, "" for none."""
    fields = project.schemas.fields_of(schema)
    if all(map(PRIVILEGED.match, fields)):  # the route is there to set it
        fields = {}
    for name, field in fields.items():
        if PRIVILEGED.match(name) and name not in handled and model.column(name) is not None and not field.excluded:
            return f"{schema.name}.{name}", field.place
    made = project.schemas.of(schema)
    if made is not None and made.extra == "allow":
        columns = [c for c in model.columns.values() if PRIVILEGED.match(c.name) and c.name not in handled]
        if columns:
            return f"any field, {columns[0].name} too ({schema.name} allows extra ones),", schema.place()
    return "", schema.place()


def _handled(scope: Function, call: ast.Call) -> set[str]:
    """Names the function itself sets, removes or looks at, so that the client's word is not the last."""
    found = {k.arg for k in call.keywords if k.arg}
    found |= {a.attr for a in scope.all(ast.Attribute)}
    found |= {c.value for c in scope.all(ast.Constant) if isinstance(c.value, str)}
    return found


@security.check(
    "SEC009",
    "sensitive-field-in-response",
    title="Secret or password hash in a response",
    impact=HIGH,
    anti_pattern=8,
    fix="Answer with a schema that does not declare the field, or set Field(exclude=True).",
)
def sensitive_field_in_response(project: Project) -> Found:
    """What the type declares goes to every caller; without one all loaded columns do.

    Source: OWASP API3:2023, https://owasp.org/API-Security/editions/2023/en/0xa3-broken-object-property-level-authorization/

    Bad:
        from fastapi import FastAPI
        from pydantic import BaseModel
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        app = FastAPI()

        class Base(DeclarativeBase): ...

        class User(Base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True)
            password_hash: Mapped[str]

        class UserOut(BaseModel):
            id: int
            hashed_password: str  # SEC009

        class Team(BaseModel):
            members: list[UserOut]

        @app.get("/team")
        def team() -> Team: ...

        @app.get("/users/{key}")
        def read(key: int, session: Session):  # SEC009
            return session.get(User, key)
    Good:
        from fastapi import FastAPI
        from pydantic import BaseModel

        app = FastAPI()

        class UserOut(BaseModel):
            id: int

        @app.get("/users/{key}")
        def read(key: int) -> UserOut: ...
    Not this:
        from fastapi import FastAPI
        from pydantic import BaseModel, Field, SecretStr

        app = FastAPI()

        class UserOut(BaseModel):
            id: int
            has_password: bool
            password: SecretStr
            hashed_password: str = Field(exclude=True)
            password_changed_at: str

        class Token(BaseModel):
            access_token: str
            refresh_token: str

        class NewClient(BaseModel):
            client_secret: str

        @app.get("/users/{key}")
        def read(key: int) -> UserOut: ...

        @app.post("/login")
        def login() -> Token: ...

        @app.post("/clients/{key}/secret")
        def make(key: int) -> NewClient: ...
    """
    for cls, uses in project.usage.responses.items():
        model = project.models.of(cls)
        for name, field in project.schemas.fields_of(cls).items():
            if SENSITIVE.match(name) and not _is_hidden(project, cls, field) and _is_about_people(project, cls, name):
                shown = [u for u in _shown_by(project, name, uses) if not _left_empty(project, u.route, cls, field)]
                if shown:
                    what = "column" if model is not None else "field"
                    own = all(_is_callers_own(project, cls, use) for use in shown)
                    yield _shown(cls, field, [use.route for use in shown], what, own)
    for route in project.routes:
        yield from _untyped(project, route)


def _is_about_people(project: Project, cls: Class, name: str) -> bool:
    """Whether a plain `password` is that of a person rather than of a connection that others set up."""
    others = project.schemas.fields_of(cls)
    return name != "password" or bool(PERSON.search(cls.name)) or "email" in others


def _is_hidden(project: Project, cls: Class, field: Field) -> bool:
    """Whether a field is left out, masked by its type or a serializer, or no secret (a flag, a date)."""
    shape = project.shapes.of(field.annotation, field.owner)
    if field.excluded or not any(option.dotted in TEXTS or option.head is None for option in shape.options):
        return True
    schema = project.schemas.of(cls)
    return schema is not None and any(field.name in v.fields or v.kind == "model_serializer" for v in schema.validators)


def _is_callers_own(project: Project, cls: Class, use: Use) -> bool:
    """Whether a route answers with one object that no path or query chooses: that of whoever is logged in."""
    if not use.route.auth or use.path or not any(o.cls is cls for o in project.usage.answer(use.route).shape.options):
        return False
    asked = project.usage.own_parameters(use.route)
    sent = {name for p in asked for o in p.shape.options if o.cls for name in project.schemas.fields_of(o.cls)}
    return not any(p.kind in ("path", "query") for p in asked) and not any(map(CHOOSES.search, sent))


def _shown_by(project: Project, name: str, uses: list[Use]) -> list[Use]:
    """Routes that show the field to others than administrators; secrets that are handed out on purpose left out."""
    found = []
    for use in uses:
        handed_out = not HASH.search(name) and (changes(use.route) or HANDED_OUT.search(use.route.path))
        if not handed_out and not is_for_admins(project, use.route):
            found.append(use)
    return found


def _left_empty(project: Project, route: Route, cls: Class, field: Field) -> bool:
    """Whether the handler, or what it calls, makes the objects of the answer and never fills this optional field."""
    if field.required or route.function is None:
        return False
    made = [
        call
        for function in reached_functions(project, route.function, 1)
        for scope in function.walk()
        for call in scope.all(ast.Call)
        if project.names.resolve(call.func, scope) is cls
    ]
    return bool(made) and all(k.arg not in (None, field.name) for call in made for k in call.keywords)


def _shown(cls: Class, field: Field, routes: list[Route], what: str, own: bool) -> Hit:
    others = {place_of(r) for r in routes[1:]} - {place_of(routes[0])}
    more = f" and {len(others)} more" if others else ""
    whose = " of the caller" if own else ""
    message = f"{named(routes[0])}{more} answers with the {what} {cls.name}.{field.name}{whose}"
    impact = HIGH if HASH.search(field.name) and not own else MEDIUM
    return Hit(field.place, message, (place_of(routes[0]),), impact, places=tuple(sorted(others)))


def _untyped(project: Project, route: Route) -> Iterator[Hit]:
    """Rows returned without a response type."""
    function = route.function
    if function is None or route.websocket:
        return
    answer = project.usage.answer(route)
    if answer.nothing or answer.is_response or answer.shape.classes() or is_for_admins(project, route):
        return
    for model in project.usage.returned_models(function):
        column = next((c for c in model.columns.values() if SENSITIVE.match(c.name)), None)
        if column is not None:
            message = f"{named(route)} returns rows of {model.name} with {column.name}: no response type leaves it out"
            yield Hit(place_of(route), message, (column.place,))
            return
