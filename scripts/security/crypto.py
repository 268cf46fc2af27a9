"""Passwords, tokens and signatures."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import HIGH, INFERRED, MEDIUM, Found, Hit
from project import Function, Project, Scope
from project.calls import CallSite
from project.scopes import parents
from security.dimension import security

FAST_HASHES = frozenset(
    f"hashlib.{name}" for name in "md5 sha1 sha224 sha256 sha384 sha512 sha3_256 sha3_512 blake2b new".split()
)
PASSWORD = re.compile(r"(^|_)(password|passwd|pwd|passphrase)(_|$|s$)", re.IGNORECASE)
NOT_A_PASSWORD = re.compile(
    r"hash|salt|confirm|repeat|again|reset|policy|length|min|max|field|type|regex|url|file|key", re.IGNORECASE
)
DECODES = frozenset(("jwt.decode", "jwt.PyJWT.decode", "jwt.PyJWT().decode"))
JOSE_DECODES = frozenset(("jose.jwt.decode",))
ENCODES = frozenset(("jwt.encode", "jose.jwt.encode", "jwt.PyJWT.encode"))


@security.check(
    "SEC004",
    "jwt-verification-weak",
    title="Token accepted or issued without a needed check",
    impact=HIGH,
    anti_pattern=8,
    fix='Decode with the key, algorithms=[one] and options={"require": ["exp", "sub"]}; put exp into every token.',
)
def jwt_verification_weak(project: Project) -> Found:
    """A token whose signature is not verified can be written by anyone; one without exp is valid for ever.

    Source: PyJWT 2, Usage, https://pyjwt.readthedocs.io/en/stable/usage.html

    Bad:
        import jwt

        KEY = open("key").read()

        def read(token):
            return jwt.decode(token, options={"verify_signature": False})  # SEC004

        def read_any(token):
            return jwt.decode(token, KEY, algorithms=[jwt.get_unverified_header(token)["alg"]])  # SEC004

        def issue(name):
            return jwt.encode({"sub": name}, KEY, algorithm="HS256")  # SEC004
    Good:
        import jwt

        KEY = open("key").read()

        def read(token):
            return jwt.decode(token, KEY, algorithms=["HS256"], options={"require": ["exp", "sub"]})

        def issue(name, expires):
            return jwt.encode({"sub": name, "exp": expires}, KEY, algorithm="HS256")
    Not this:
        import jwt

        KEY = open("key").read()

        def key_for(token, keys):
            return keys[jwt.get_unverified_header(token)["kid"]]

        def issue(claims: dict):
            payload = dict(claims)
            payload.update({"exp": 1})
            return jwt.encode(payload, KEY, algorithm="HS256")

        def issue_any(claims: dict):
            return jwt.encode(claims, KEY, algorithm="HS256")
    """
    for site in _app_sites(project):
        if (DECODES | JOSE_DECODES).intersection(site.names):
            yield from _decode(project, site)
        elif ENCODES.intersection(site.names):
            claims = _literal(site.argument(0, "payload") or site.argument(0, "claims"), site.scope)
            if claims is not None and "exp" not in claims:
                yield Hit(site.place(), "the token has no exp claim: it stays valid for ever", impact=MEDIUM)


def _decode(project: Project, site: CallSite) -> Iterator[Hit]:
    options = site.argument(-1, "options")
    off = {"verify_signature", "verify_exp"} & {k for k, v in _switches(options) if v is False}
    if off:
        yield Hit(site.place(), f"{sorted(off)[-1]} is switched off: {_consequence(off)}")
        return
    algorithms = site.argument(2, "algorithms")
    if algorithms is not None and any(
        isinstance(n, ast.Call) and str(project.names.canonical(n.func, site.scope)).endswith("get_unverified_header")
        for n in ast.walk(algorithms)
    ):
        yield Hit(site.place(), "the token itself says by which algorithm it is verified")
    if algorithms is None and JOSE_DECODES.intersection(site.names) and site.call and not _open_ended(site.call):
        yield Hit(site.place(), "no algorithms given: python-jose accepts any it knows", impact=MEDIUM)


def _consequence(off: set[str]) -> str:
    return "anyone can write such a token" if "verify_signature" in off else "expired tokens are accepted"


def _open_ended(call: ast.Call) -> bool:
    return any(k.arg is None for k in call.keywords)


def _switches(options: ast.expr | None) -> Iterator[tuple[str, object]]:
    if isinstance(options, ast.Dict):
        for key, value in zip(options.keys, options.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                yield str(key.value), value.value


def _literal(payload: ast.expr | None, scope: Scope) -> set[str] | None:
    """Keys of a payload that is a dict display of constant keys, given at once or through one local name."""
    if isinstance(payload, ast.Name):
        bindings = scope.bindings.get(payload.id, [])
        used = [n for n in scope.all(ast.Name) if n.id == payload.id and isinstance(n.ctx, ast.Load)]
        if len(bindings) != 1 or len(used) != 1:
            return None
        payload = bindings[0].value
    if not isinstance(payload, ast.Dict) or any(not isinstance(k, ast.Constant) for k in payload.keys):
        return None
    return {str(k.value) for k in payload.keys if isinstance(k, ast.Constant)}


@security.check(
    "SEC006",
    "password-hashing-weak",
    title="Password stored or compared without a password hash",
    impact=HIGH,
    anti_pattern=8,
    fix="Use pwdlib: PasswordHash.recommended() with hash and verify_and_update.",
)
def password_hashing_weak(project: Project) -> Found:
    """Fast hashes are guessed billions of times a second and plain comparison means plain storage. passlib is not
    maintained: with bcrypt 5 it raises for every password.

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
    """
    for site in _app_sites(project):
        if FAST_HASHES.intersection(site.names) and site.call and any(map(_names_password, site.call.args)):
            yield Hit(
                site.place(), f"{site.names[0]} of a password: fast hashes are guessed in bulk", certainty=INFERRED
            )
        elif "passlib.context.CryptContext" in site.names:
            yield from _passlib(project, site)
    for module in project.app_modules:
        for scope in module.walk():
            for compare in scope.all(ast.Compare):
                if isinstance(scope, Function) and _plain_comparison(compare):
                    yield Hit(scope.place(compare), "a password is compared as plain text", certainty=INFERRED)


def _passlib(project: Project, site: CallSite) -> Iterator[Hit]:
    schemes = site.argument(0, "schemes")
    bcrypt = schemes is not None and any(isinstance(n, ast.Constant) and n.value == "bcrypt" for n in ast.walk(schemes))
    if bcrypt and project.stack.at_least("bcrypt", "5"):
        yield Hit(site.place(), "passlib with bcrypt 5: every hash and every verify raises ValueError")


def _names_password(expr: ast.expr) -> bool:
    return any(_is_password(n) for n in ast.walk(expr) if isinstance(n, (ast.Name, ast.Attribute)))


def _is_password(expr: ast.expr) -> bool:
    name = expr.id if isinstance(expr, ast.Name) else expr.attr if isinstance(expr, ast.Attribute) else ""
    return bool(PASSWORD.search(name)) and not NOT_A_PASSWORD.search(name)


def _plain_comparison(compare: ast.Compare) -> bool:
    """`stored.password == password`: an attribute of an object against another value, both named as passwords."""
    if len(compare.ops) != 1 or not isinstance(compare.ops[0], (ast.Eq, ast.NotEq)):
        return False
    left, right = compare.left, compare.comparators[0]
    sides = [s for s in (left, right) if _is_password(s)]
    stored = [s for s in sides if isinstance(s, ast.Attribute)]
    if len(sides) != 2 or not stored or ast.unparse(left) == ast.unparse(right):
        return False
    same_object = len(stored) == 2 and ast.unparse(stored[0].value) == ast.unparse(stored[1].value)
    in_query = any(isinstance(p, ast.Call) for p in parents(compare))
    return not same_object and not in_query


def _app_sites(project: Project) -> Iterator[CallSite]:
    for module in project.app_modules:
        for scope in module.walk():
            yield from project.calls.sites(scope)
