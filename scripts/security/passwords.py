"""Passwords and other credentials: how they are hashed and compared."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import HIGH, INFERRED, MEDIUM, Found, Hit
from project import Function, Project
from project.language.calls import CallSite
from project.language.names import External
from project.language.scopes import Class, parents
from project.language.value_types import Instance
from project.place import Place
from security.around import by_file, last_name
from security.dimension import security
from security.plain_passwords import stored_plainly

FAST_HASHES = frozenset(
    f"hashlib.{name}" for name in "md5 sha1 sha224 sha256 sha384 sha512 sha3_256 sha3_512 blake2b blake2s new".split()
)
WEAK_SCHEMES = frozenset(
    "plaintext hex_md5 hex_sha1 hex_sha256 hex_sha512 md5_crypt des_crypt ldap_plaintext lmhash nthash".split()
)
PASSWORD = re.compile(r"(^|_)(password|passwd|pwd|passphrase)(_|$|s$)", re.IGNORECASE)
NOT_A_PASSWORD = re.compile(
    r"hash|salt|confirm|repeat|again|reset|policy|length|min|max|field|type|regex|url|file|key|changed|required|enabled|"
    r"strength|expired|attempt|hint|encrypted|encoded|digest|new_pass|old_pass|azure|smtp|_id$|_at$",
    re.IGNORECASE,
)
CREDENTIAL = re.compile(
    r"(^|_)(api_?key|apikey|secret|token|signature|hmac|digest|webhook_secret|master_?key|access_?key|auth_?key|password|passwd)$",
    re.IGNORECASE,
)
VERIFIERS = re.compile(r"verify|check_?pw|check_?password|authenticate|compare", re.IGNORECASE)
UNKNOWN_USER = re.compile(
    r"(user|account|e-?mail|username|login).{0,40}(not (be )?(found|exist|registered)|n.t exist|unknown|no such)|"
    r"(no|unknown|invalid|incorrect|wrong) (user|account|username|e-?mail)\b(?!.{0,12}(or|and|/|&).{0,12}passw)",
    re.IGNORECASE,
)
WRONG_PASSWORD = re.compile(
    r"(wrong|incorrect|invalid|bad|mismatch).{0,12}passw|passw\w+.{0,20}(wrong|incorrect|invalid|n.t match)", re.I
)
BOTH = re.compile(
    r"(user|e-?mail|login|account|name|credential)\w*.{0,10}(or|and|/|&).{0,10}passw|credential", re.IGNORECASE
)


@security.check(
    "SEC006",
    "password-hashing-weak",
    title="Password stored or compared without a password hash",
    impact=HIGH,
    anti_pattern=8,
    fix="Use pwdlib: PasswordHash.recommended() with hash and verify_and_update.",
)
def password_hashing_weak(project: Project) -> Found:
    """Fast hashes are guessed billions of times a second. The library
    passlib is not maintained: with bcrypt 5 it raises for every password.

    Source: FastAPI, OAuth2 with Password (and hashing), https://fastapi.tiangolo.com/tutorial/security/oauth2-jwt/

    Bad:
        # requirements.txt
        passlib==1.7.4
        bcrypt==5.0.0
        # app/passwords.py
        import hashlib
        from passlib.context import CryptContext

        context = CryptContext(schemes=["bcrypt"])  # SEC006

        def hash_password(password):
            return hashlib.sha256(password.encode()).hexdigest()  # SEC006

        def check(user, password):
            return user.password == password  # SEC006

        def check_row(row, password):
            return row["password"] == password  # SEC006
    Good:
        from pwdlib import PasswordHash

        passwords = PasswordHash.recommended()

        def hash_password(password):
            return passwords.hash(password)
    Not this:
        import hashlib

        def etag(body):
            return hashlib.md5(body, usedforsecurity=False).hexdigest()

        def fingerprint(api_token):
            return hashlib.sha256(api_token.encode()).hexdigest()

        def confirm(data):
            return data.password == data.password_confirm

        def unchanged(before, after):
            return before.password == after.password

        def known_to_be_breached(password, prefixes):
            return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest() in prefixes
    """
    yield from by_file(
        Hit(site.place(), f"{site.names[0]} of a password: fast hashes are guessed in bulk", certainty=INFERRED)
        for site in project.calls.named(FAST_HASHES)
        if _hashes_password(site)
    )
    for site in project.calls.named(("passlib.context.CryptContext",)):
        yield from _passlib(project, site)
    for function, compare in _comparisons(project):
        if _compares_password(project, function, compare):
            yield Hit(function.place(compare), "a password is compared as plain text", certainty=INFERRED)
    yield from stored_plainly(project)


def _comparisons(project: Project) -> Iterator[tuple[Function, ast.Compare]]:
    """`==` and `!=` between two values in functions of the application."""
    for module in project.app_modules:
        for function in module.functions:
            for compare in function.all(ast.Compare):
                if len(compare.ops) == 1 and isinstance(compare.ops[0], (ast.Eq, ast.NotEq)):
                    yield function, compare


def _hashes_password(site: CallSite) -> bool:
    if site.call is None or not any(map(_names_password, site.call.args)):
        return False
    if any(k.arg == "usedforsecurity" for k in site.call.keywords):
        return False
    return not any(isinstance(holder, (ast.JoinedStr, ast.Dict)) for holder in parents(site.node))


def _passlib(project: Project, site: CallSite) -> Iterator[Hit]:
    schemes = site.argument(0, "schemes")
    names = [n.value for n in ast.walk(schemes) if isinstance(n, ast.Constant)] if schemes is not None else []
    weak = sorted(WEAK_SCHEMES.intersection(n for n in names if isinstance(n, str)))
    if names and names[0] in WEAK_SCHEMES:
        yield Hit(site.place(), f"{weak[0]} is no password hash")
    elif "bcrypt" in names:
        path = site.scope.module.path
        new = project.stack.at_least("bcrypt", "5", path)
        if new:
            yield Hit(
                site.place(),
                "passlib with bcrypt 5: every hash and every verify raises ValueError",
                _required(project, path),
            )
        elif new is None and _bcrypt_is_loose(project, path):
            message = "nothing keeps bcrypt below 5, with which every hash and verify of passlib raises ValueError"
            yield Hit(site.place(), message, _required(project, path), MEDIUM)


def _bcrypt_is_loose(project: Project, path: str) -> bool:
    """Whether passlib or bcrypt is declared here and no lock file says which bcrypt is installed."""
    declared = project.stack.dependency("bcrypt", path) or project.stack.dependency("passlib", path)
    return declared is not None and project.stack.version("passlib", path) is not None and not project.stack.locks


def _required(project: Project, path: str) -> tuple[Place, ...]:
    found = project.stack.dependency("bcrypt", path) or project.stack.dependency("passlib", path)
    return (found.place,) if found is not None else ()


def _names_password(expr: ast.expr) -> bool:
    return any(_is_password(n) for n in ast.walk(expr) if isinstance(n, (ast.Name, ast.Attribute, ast.Subscript)))


def _is_password(expr: ast.expr) -> bool:
    name = last_name(expr)
    return bool(PASSWORD.search(name)) and not NOT_A_PASSWORD.search(name)


def _compares_password(project: Project, function: Function, compare: ast.Compare) -> bool:
    """`stored.password == password`: what a row holds against what was typed in."""
    left, right = compare.left, compare.comparators[0]
    if not (_is_password(left) and _is_password(right)) or ast.unparse(left) == ast.unparse(right):
        return False
    for stored, typed in ((left, right), (right, left)):
        if isinstance(stored, (ast.Attribute, ast.Subscript)) and not _is_configured(project, stored, function):
            typed_in = _is_typed_in(project, typed, function) and project.origins.way(stored, function) is None
            if typed_in:
                return True
    return False


def _is_configured(project: Project, stored: ast.expr, function: Function) -> bool:
    """Whether the stored side is configuration: a setting or a constant."""
    if isinstance(stored, ast.Attribute) and isinstance(stored.value, (ast.Name, ast.Attribute)):
        if "settings" in ast.unparse(stored.value).lower() or "config" in ast.unparse(stored.value).lower():
            return True
        for value in project.values.of(stored.value, function):
            if isinstance(value, Instance) and isinstance(value.cls, Class):
                schema = project.schemas.of(value.cls)
                if schema is not None and schema.is_settings:
                    return True
    return isinstance(stored, ast.Subscript) and "environ" in ast.unparse(stored.value)


def _is_typed_in(project: Project, typed: ast.expr, function: Function) -> bool:
    """A parameter as it came, or request input that nothing hashed on the way."""
    if project.origins.way(typed, function) is not None:
        return True
    if not isinstance(typed, ast.Name) or project.calls.callers(function):
        return False
    bindings = function.bindings.get(typed.id, [])
    return len(bindings) == 1 and bindings[0].kind == "param"


@security.check(
    "SEC023",
    "timing-or-enumeration",
    title="The answer or its time tells which credential is right",
    impact=MEDIUM,
    anti_pattern=8,
    fix="Compare with secrets.compare_digest on bytes; answer an unknown user like a wrong password.",
)
def timing_or_enumeration(project: Project) -> Found:
    """`==` stops at the first wrong character, so its time tells how much is right. Two answers tell who has one.

    Source: FastAPI, HTTP Basic Auth, https://fastapi.tiangolo.com/advanced/security/http-basic-auth/

    Bad:
        import os
        from fastapi import FastAPI, Header, HTTPException

        app = FastAPI()
        API_KEY = os.environ["API_KEY"]

        @app.get("/report")
        def report(x_api_key: str = Header()):
            if x_api_key != API_KEY:  # SEC023
                raise HTTPException(401)
            return {}

        @app.post("/login")
        def login(name: str, password: str):
            user = find(name)
            if user is None:
                raise HTTPException(404, "User not found")  # SEC023
            if not verify(password, user.hash):
                raise HTTPException(401, "Wrong password")

        def find(name): ...

        def verify(password, stored): ...
    Good:
        import os
        import secrets
        from fastapi import FastAPI, Header, HTTPException

        app = FastAPI()
        API_KEY = os.environ["API_KEY"]

        @app.get("/report")
        def report(x_api_key: str = Header()):
            if not secrets.compare_digest(x_api_key.encode(), API_KEY.encode()):
                raise HTTPException(401)
            return {}

        @app.post("/login")
        def login(name: str, password: str):
            user = find(name)
            if user is None or not verify(password, user.hash):
                raise HTTPException(401, "Wrong name or password")

        def find(name): ...

        def verify(password, stored): ...
    Not this:
        import os
        from fastapi import FastAPI, Header, HTTPException

        app = FastAPI()
        MODE = os.environ["MODE"]

        @app.get("/report")
        def report(mode: str, token_type: str = Header()):
            if mode != MODE or token_type == "bearer":
                raise HTTPException(400)
            return {}

        @app.get("/users/{name}")
        def read(name: str):
            raise HTTPException(404, "User not found")
    """
    for function, compare in _comparisons(project):
        yield from _timing(project, function, compare)
    for module in project.app_modules:
        for function in module.functions:
            yield from _enumeration(project, function)


def _timing(project: Project, function: Function, compare: ast.Compare) -> Iterator[Hit]:
    left, right = compare.left, compare.comparators[0]
    if not any(CREDENTIAL.search(last_name(_bare(side))) for side in (left, right)):
        return
    for given, kept in ((left, right), (right, left)):
        if not _is_kept_secret(project, kept, function):
            continue
        way = project.origins.way(given, function)
        if way is not None:
            message = (
                f"{way.source} is compared with a secret by {'==' if isinstance(compare.ops[0], ast.Eq) else '!='}"
            )
            yield Hit(function.place(compare), message, way.places, certainty=way.certainty)
            return


def _bare(side: ast.expr) -> ast.expr:
    """The value below `.encode()`, `.hexdigest()`, `.get_secret_value()`."""
    while isinstance(side, ast.Call) and isinstance(side.func, ast.Attribute) and side.func.attr in _WRAPS:
        side = side.func.value
    return side


_WRAPS = ("encode", "get_secret_value", "strip", "decode", "lower")


def _is_kept_secret(project: Project, kept: ast.expr, function: Function) -> bool:
    """Whether a side of the comparison is a configured secret, or a signature that was just computed."""
    kept = _bare(kept)
    if isinstance(kept, ast.Call):
        return (
            isinstance(kept.func, ast.Attribute)
            and kept.func.attr in ("hexdigest", "digest")
            and "hmac" in ast.unparse(kept)
        )
    if isinstance(kept, ast.Name):
        values = [b.value for b in function.bindings.get(kept.id, []) if b.kind == "assign"]
        if len(values) == 1 and isinstance(values[0], ast.Call):
            return _is_kept_secret(project, values[0], function) or _reads_environment(project, values[0], function)
    if not CREDENTIAL.search(last_name(kept)) or isinstance(kept, ast.Constant):
        return False
    if _is_configured(project, kept, function):
        return True
    entity = project.names.resolve(kept, function)
    if entity is None or isinstance(entity, External):
        return False
    if _stands_for_none(project, kept, function):
        return False
    bindings = getattr(entity, "bindings", None)
    scope = getattr(entity, "scope", None)
    return isinstance(bindings, list) and scope is scope.module if scope is not None else False


def _stands_for_none(project: Project, kept: ast.expr, function: Function) -> bool:
    """Whether a constant marks that no secret is there yet: by its name, or by a text like `__pending__`."""
    found = project.defaults.of(kept, function)
    text = found.value if found is not None and not found.configurable else None
    return isinstance(text, str) and bool(_MARKER_NAME.search(last_name(kept)) or _MARKER.fullmatch(text))


_MARKER_NAME = re.compile(r"placeholder|pending|sentinel|dummy|redacted|masked?(_|$)|missing|unset", re.IGNORECASE)
_MARKER = re.compile(r"__\w+__|<[^<>]+>|\*+|\[[\w ]+\]")


def _reads_environment(project: Project, call: ast.Call, function: Function) -> bool:
    return (project.names.canonical(call.func, function) or "") in ("os.getenv", "os.environ.get")


def _enumeration(project: Project, function: Function) -> Iterator[Hit]:
    """A login that says `no such user` in one answer and `wrong password` in another."""
    if not any(map(VERIFIERS.search, function.called)):
        return
    said = [(node, text) for node in function.all(ast.Raise) for text in _texts(node)]
    unknown = [node for node, text in said if UNKNOWN_USER.search(text) and not BOTH.search(text)]
    wrong = [
        node for node, text in said if WRONG_PASSWORD.search(text) and not BOTH.search(text) and node not in unknown
    ]
    if unknown and wrong and _is_open(project, function):
        message = "the answer for an unknown user differs from that for a wrong password"
        yield Hit(function.place(unknown[0]), message, (function.place(wrong[0], "answer for a wrong password"),))


def _is_open(project: Project, function: Function) -> bool:
    """Whether somebody who is not logged in reaches the function."""
    if function not in project.requests:
        return False
    reaching = {root.function for root in project.requests.roots_reaching(function)}
    return any(route.function in reaching and not route.auth for route in project.routes)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _texts(node: ast.Raise) -> list[str]:
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
