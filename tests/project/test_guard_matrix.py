"""Who may call what: what a caller must be allowed, by scopes, dependencies, the handler and the services it calls."""

from __future__ import annotations

from pathlib import Path

from tests.project.test_routes_guards import HEAD
from tests.project.trees import make

USERS = (
    HEAD
    + """
import enum
from fastapi.security import SecurityScopes

class Role(enum.Enum):
    ADMIN = "admin"
    EDITOR = "editor"

def get_user(token=Depends(strict)):
    return token

def get_admin(user=Depends(get_user)):
    if not user["is_superuser"]:
        raise HTTPException(403)
    return user

def get_active(user=Depends(get_user)):
    if not user.is_active:
        raise HTTPException(403)
    return user

def require_role(*roles):
    def check(user=Depends(get_user)):
        if user.role not in roles:
            raise HTTPException(status_code=403)
        return user
    return check

class Permission:
    def __init__(self, name):
        self.name = name
    def __call__(self, user=Depends(get_user)):
        if self.name in user.permissions:
            return user
        raise HTTPException(403)

def scoped(scopes: SecurityScopes, user=Depends(get_user)):
    if set(scopes.scopes) - set(user.scopes):
        raise HTTPException(403)
    return user

def unscoped(user=Depends(get_user)):
    return user
"""
)


def rights(folder: Path, routes: str) -> dict[str, set[tuple[str, str, str]]]:
    rows = make(folder, {"main.py": USERS + routes}).guard_matrix.rows
    return {row.route.path: {(r.kind, r.name, r.how) for r in row.rights} for row in rows}


def test_dependencies(tmp_path: Path) -> None:
    found = rights(
        tmp_path,
        """
@app.get("/user")
def a(user=Depends(get_user)): ...
@app.get("/active")
def b(user=Depends(get_active)): ...
@app.get("/admin", dependencies=[Depends(get_admin)])
def c(): ...
@app.get("/role")
def d(user=Depends(require_role(Role.ADMIN, "editor"))): ...
@app.get("/permission")
def e(user=Depends(Permission("items:write"))): ...
@app.get("/scopes")
def f(user=Security(scoped, scopes=["items:read", "me"])): ...
@app.get("/unread")
def g(user=Security(unscoped, scopes=["items:read"])): ...
""",
    )
    assert found == {
        "/user": set(),
        "/active": set(),
        "/admin": {("role", "get_admin", "dependency")},
        "/role": {("role", "require_role(ADMIN, editor)", "dependency")},
        "/permission": {("permission", "Permission(items:write)", "dependency")},
        "/scopes": {("scope", "items:read", "scopes"), ("scope", "me", "scopes")},
        "/unread": set(),
    }


CLASSES = """
class IsOwner:
    status = 403
    def __init__(self, user):
        if not user.owner:
            raise HTTPException(status_code=403)

class IsEditor(IsOwner): ...

class Silent:
    def __init__(self, user):
        self.user = user

class Permissions:
    def __init__(self, classes):
        self.classes = classes
    def __call__(self, user=Depends(get_user)):
        for cls in self.classes:
            cls(user)

@app.get("/classes", dependencies=[Depends(Permissions([Silent, IsEditor]))])
def a(): ...
@app.get("/silent", dependencies=[Depends(Permissions([Silent]))])
def b(): ...
"""


def test_classes_that_a_dependency_is_made_with(tmp_path: Path) -> None:
    assert rights(tmp_path, CLASSES) == {
        "/classes": {("permission", "Permissions(Silent, IsEditor)", "dependency")},
        "/silent": set(),
    }


def test_handlers_and_services(tmp_path: Path) -> None:
    found = rights(
        tmp_path,
        """
from sqlalchemy import select

def find(session, key, user_id):
    return session.scalars(select(Item).where(Item.id == key, Item.owner_id == user_id)).one()

def check_item(item, user):
    if item.owner_id != user.id:
        raise HTTPException(404)

def load(session, key):
    return session.get(Item, key)

@app.get("/role")
def a(user=Depends(get_user)):
    if user.role != "admin":
        raise HTTPException(403)
@app.get("/compared")
def b(key: int, session, user=Depends(get_user)):
    item = load(session, key)
    if user["id"] != item.author:
        raise HTTPException(403)
@app.get("/query")
def c(key: int, session, user=Depends(get_user)):
    user_id = user.id
    return find(session, key, user_id)
@app.get("/helper")
def d(key: int, session, user=Depends(get_user)):
    item = load(session, key)
    check_item(item, user)
@app.get("/of-anybody/{owner_id}")
def e(owner_id: int, session, user=Depends(get_user)):
    return find(session, 1, owner_id)
@app.get("/invalid")
def f(role: str, user=Depends(get_user)):
    if role not in ("a", "b"):
        raise HTTPException(422)
@app.get("/state")
def g(request: Request, user=Depends(get_user)):
    return find(request.session, 1, request.state.user.id)
""",
    )
    assert found == {
        "/role": {("role", "role", "handler")},
        "/compared": {("owner", "author", "handler")},
        "/query": {("owner", "owner_id", "service")},
        "/helper": {("owner", "owner_id", "service")},
        "/of-anybody/{owner_id}": set(),
        "/invalid": set(),
        "/state": {("owner", "owner_id", "service")},
    }


def test_rows(tmp_path: Path) -> None:
    text = (
        USERS
        + """
guarded = APIRouter(dependencies=[Depends(get_user)])
@guarded.get("/router")
def a(): ...
@app.get("/parameter")
def b(user=Depends(get_user)): ...
@app.get("/open")
def c(): ...
@app.get("/body")
def d(request: Request):
    if "authorization" not in request.headers:
        raise HTTPException(401)
@app.get("/unknown")
def e(user=Depends(make_auth_dependency())): ...
app.include_router(guarded)
"""
    )
    rows = make(tmp_path, {"main.py": text}).guard_matrix.rows
    assert {(r.route.path, r.authentication, r.how) for r in rows} == {
        ("/router", "guarded", "router"),
        ("/parameter", "guarded", "parameter"),
        ("/open", "open", ""),
        ("/body", "guarded", "handler"),
        ("/unknown", "unknown", "parameter"),
    }


MADE = """
class Code(enum.Enum):
    INSUFFICIENT_PERMISSIONS = 1
    QUOTA = 2

class AppError(Exception):
    def __init__(self, code): ...

class Allowance(enum.Enum):
    BASIC = 1
    FULL_ADMIN_PANEL = 2

def require_permission(needed):
    def check(request: Request, user=Depends(get_user)):
        granted = allowed_by(user, needed) and needed in request.state.scopes
        if not granted:
            raise AppError(Code.INSUFFICIENT_PERMISSIONS)
        return user
    return check

def require(needed):
    def check(user=Depends(get_user)):
        granted = allowed_by(user, needed)
        if not granted:
            raise AppError("no")
        return user
    return check

def counted(needed):
    def check(user=Depends(get_user)):
        print(needed)
        return user
    return check

@app.get("/permission")
def a(user=Depends(require_permission(Allowance.BASIC))): ...
@app.get("/admin")
def b(user=Depends(require(Allowance.FULL_ADMIN_PANEL))): ...
@app.get("/basic")
def c(user=Depends(require(Allowance.BASIC))): ...
@app.get("/counted")
def d(user=Depends(counted(Allowance.FULL_ADMIN_PANEL))): ...
"""


def test_dependencies_made_for_a_right_that_raise_errors_of_the_project(tmp_path: Path) -> None:
    matrix = make(tmp_path, {"main.py": USERS + "from fastapi import Request\n" + MADE}).guard_matrix
    found = {row.route.path: {(r.kind, r.name, r.how) for r in row.rights} for row in matrix.rows}
    assert found == {
        "/permission": {("permission", "require_permission(BASIC)", "dependency")},
        "/admin": {("permission", "require(FULL_ADMIN_PANEL)", "dependency")},
        "/basic": set(),
        "/counted": set(),
    }
    assert [r.route.path for r in matrix.rows if matrix.is_for_admins(r.route)] == ["/admin"]


OR_RELATED = """
@app.get("/either/{key}")
def a(key: int, user=Depends(get_user)):
    if not user.is_superuser and key not in user.keys:
        raise HTTPException(403)
@app.get("/mine/{key}")
def b(key: int, user=Depends(get_user)):
    item = find(key)
    if not (user.is_superuser or item.owner_id == user.id):
        raise HTTPException(403)
@app.get("/admin/{key}")
def c(key: int, user=Depends(get_user)):
    if user is not None and not user.is_superuser:
        raise HTTPException(403)
@app.get("/limit/{key}")
def e(key: int, user=Depends(get_user)):
    if not user.is_superuser:
        if count(user.id) > 100:
            raise HTTPException(403)
@app.get("/other/{key}")
def f(key: int, user=Depends(get_user)):
    if key != user.key:
        if not user.is_superuser:
            raise HTTPException(403)
@app.get("/switched/{key}")
def g(key: int, user=Depends(get_user)):
    if settings.strict:
        if not user.is_superuser:
            raise HTTPException(403)
@app.get("/returned/{key}")
def h(key: int, user=Depends(get_user)):
    if settings.relaxed:
        return 1
    if user.is_superuser:
        return key
    raise HTTPException(403)
@app.get("/staff/{key}")
def d(key: int, user=Depends(get_user)):
    if not (user.is_superuser or user.is_staff):
        raise HTTPException(403)
"""


def test_a_role_that_a_relation_to_the_object_replaces_is_no_privilege(tmp_path: Path) -> None:
    matrix = make(tmp_path, {"main.py": USERS + OR_RELATED}).guard_matrix
    found = {row.route.path: {r.kind for r in row.rights} for row in matrix.rows}
    assert found == {
        "/either/{key}": {"owner"},
        "/mine/{key}": {"owner"},
        "/admin/{key}": {"role"},
        "/limit/{key}": {"owner"},
        "/other/{key}": {"owner"},
        "/switched/{key}": {"role"},
        "/returned/{key}": {"role"},
        "/staff/{key}": {"role"},
    }


def test_a_login_that_answers_403_asks_for_no_right(tmp_path: Path) -> None:
    code = """
def session(): ...

def by_key(key=Depends(strict), db=Depends(session)):
    user = find(key)
    if not key or user is None:
        raise HTTPException(403)
    return user

def by_level(user=Depends(by_key)):
    if user.level < 3:
        raise HTTPException(403)
    return user

@app.get("/a")
def a(user=Depends(by_key)): ...
@app.get("/b")
def b(user=Depends(by_level)): ...
"""
    assert rights(tmp_path, code) == {"/a": set(), "/b": {("permission", "by_level", "dependency")}}
