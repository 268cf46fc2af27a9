"""Passwords that reach their column as they were typed in, judged by the whole application."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import INFERRED, Hit
from project import Class, Project, Scope
from project.data.models import Model
from project.data.table_parts import Column
from project.language.names import External
from project.language.value_types import Instance
from project.place import Place
from project.routing.routes import Route
from security.callers import named, place_of

COLUMN = re.compile(r"(user_?|login_?)?(password|passwd|pwd|passphrase)$", re.IGNORECASE)
LOGIN_NAMES = re.compile(
    r"(user_?|login_?)?(e_?mail(_?address)?|username|name|login|nick_?name|phone(_?number)?)$", re.I
)
PROTECTS = re.compile(
    r"hash|crypt|argon|pbkdf|digest|passlib|pwdlib|werkzeug|hmac|nacl|encod|cipher|fernet|encrypt|mask|"
    r"ldap|keycloak|cognito|firebase|supabase|auth0|okta|msal|saml|authlib|oauth_?client|fastapi_users|kerberos|vault",
    re.IGNORECASE,
)
NO_PROTECTION = re.compile(
    r"^__hash__$|^(un)?hashable$|^urlencod|^jsonable_encoder$|^encoding$|^encode$|_?token|jwt|jose", re.I
)


def stored_plainly(project: Project) -> Iterator[Hit]:
    """Columns for a password that the code fills, where clients send one and nothing in the application hashes."""
    if project.unread:
        return
    columns = [(m, c) for m in project.models.all for c in m.columns.values() if _holds_password(m, c)]
    taking = next((r for r in project.routes if _takes_new_or_checks(project, r)), None) if columns else None
    if taking is None or _protects(project):
        return
    for model, column in columns:
        write = _written(project, model, column.name)
        if write is not None:
            message = f"{model.name}.{column.name} keeps the password as {named(taking)} got it: nothing here hashes"
            yield Hit(column.place, message, (place_of(taking), write), certainty=INFERRED)


def _holds_password(model: Model, column: Column) -> bool:
    """`password` of a table of people who log in, whose type does nothing to it."""
    people = any(LOGIN_NAMES.match(name) for name in model.columns)
    return people and bool(COLUMN.match(column.name)) and not PROTECTS.search(column.type_name)


def _takes_new_or_checks(project: Project, route: Route) -> bool:
    """Whether somebody sends a password before being logged in: to log in or to register."""
    return "POST" in route.methods and not route.auth and project.usage.takes_password(route)


def _protects(project: Project) -> bool:
    """Whether any name in the application speaks of hashing, or of somebody else who keeps the passwords."""
    return any(
        PROTECTS.search(name) and not NO_PROTECTION.search(name)
        for module in project.modules.values()
        if module.kind in ("app", "script")
        for scope in module.walk()
        for name in _names(scope)
    )


def _names(scope: Scope) -> Iterator[str]:
    yield from (name for name in scope.bindings)
    yield from (a.attr for a in scope.all(ast.Attribute))
    yield from (n.id for n in scope.all(ast.Name))
    for source in scope.all(ast.ImportFrom):
        yield source.module or ""
        yield from (alias.name for alias in source.names)
    for imported in scope.all(ast.Import):
        yield from (alias.name for alias in imported.names)


def _written(project: Project, model: Model, name: str) -> Place | None:
    """Where the application gives the column a value: `User(password=x)`, `User(**body)`, `user.password = x`."""
    for module in project.app_modules:
        for scope in module.walk():
            for call in scope.all(ast.Call):
                given = any(k.arg in (name, None) and not isinstance(k.value, ast.Constant) for k in call.keywords)
                if given and _makes(project, call.func, scope, model):
                    return scope.place(call, "the value is given here")
            for target in scope.all(ast.Attribute):
                if target.attr == name and isinstance(target.ctx, ast.Store) and _is_row(project, target, scope, model):
                    return scope.place(target, "the value is given here")
    return None


def _makes(project: Project, func: ast.expr, scope: Scope, model: Model) -> bool:
    """Whether a call makes a row: the class itself, or `cls(...)` in one of its methods."""
    if isinstance(func, ast.Name) and func.id == "cls":
        return model.cls is not None and scope.parent is model.cls
    entity = project.names.resolve(func, scope)
    return isinstance(entity, Class) and entity is model.cls


def _is_row(project: Project, target: ast.Attribute, scope: Scope, model: Model) -> bool:
    values = project.values.of(target.value, scope)
    classes = [v.cls for v in values if isinstance(v, Instance) and not isinstance(v.cls, External)]
    return model.cls is not None and model.cls in classes
