"""Secrets that stand in the code or are defaulted there. Their values are masked in every output."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache

from check import HIGH, LOW, MEDIUM, Found, Hit
from project import Class, Project, Scope
from project.language.defaults import Default
from project.language.scopes import Module, parents
from project.place import Place
from secrecy import ADDRESS, KNOWN_FORM, PRIVATE_KEY, looks_random, masked
from security.around import last_name, run_by_hand, under_main
from security.dimension import security
from security.literal_credentials import compared_literals
from security.refused import is_refused

SECRET_NAME = re.compile(
    r"(^|_)(secret|secret_?key|password|passwd|passphrase|pwd|api_?key|apikey|private_?key|(secret|storage|account|shared)_?access_?key|auth_?token|"
    r"signing_?key|encryption_?key|(jwt|hmac|fernet|crypto|master)_?key|(jwt|hmac)_?secret|"
    r"(access|secret|api|bot|bearer)_?token|password_?(salt|pepper)|admin_?pass|(db|database|redis|smtp|mysql|postgres)_?pass)"
    r"(_?(value|default))?$",
    re.IGNORECASE,
)
PASSWORD_NAME = re.compile(r"passw|passphrase|pwd|_pass$", re.IGNORECASE)
STORE = re.compile(
    r"db|database|postgres|mysql|maria|mongo|redis|rabbit|amqp|(^|_)mq|broker|smtp|mail|minio|elastic|"
    r"opensearch|clickhouse|neo4j|qdrant|milvus|weaviate|influx|cassandra|kafka|nats",
    re.I,
)
HOST_NAME = re.compile(r"_(host|hostname|server)$", re.IGNORECASE)
LOCAL = frozenset(("localhost", "127.0.0.1", "0.0.0.0", "::1", ""))
PUBLIC_BY_DESIGN = re.compile(
    r"amplitude|posthog|segment|mixpanel|analytics|telemetry|publishable|public|site_?key|measurement|firebase_web",
    re.I,
)
NOT_ABOUT_ONE = re.compile(
    r"(^|_)(header|field|column|param|prefix|suffix|env|name|label|type|kind|url|uri|path|file|regex|pattern|length|min|max|"
    r"algorithm|reason|error|message|resource|scope|event|action|permission|cookie|hint|placeholder|mask|redacted|dummy|fake|"
    r"example|sentinel|missing|invalid|expired|reset|forgot|grant|minutes|expire|ttl|count|limit|enabled|required)s?(_|$)",
    re.IGNORECASE,
)
PLACEHOLDER = re.compile(
    r"^(<.*>|\$\{.*|\{.*\}|\[.*\]|x+|\*+|\.+|-+|none|null|nil|todo|tbd|empty|unset|undefined|"
    r"not[-_ ]?(set|needed|used|required)|n/?a|dummy.*|fake.*|example.*|placeholder.*|your[-_ ].*|insert[-_ ].*|"
    r"redacted|anonymous|unused|"
    r"no[-_]?key|sk-no-key.*|sk-xxx.*|.*\.\.\..*)$",
    re.IGNORECASE,
)
WORD_FOR_ONE = re.compile(r"placeholder|your[-_ ]|insert[-_ ]|dummy|fake|example|unset", re.IGNORECASE)
ANALYSED = re.compile(r"^[A-Za-z0-9!@#$%^&*()_+=~.,:;?/|-]+$")
KEY_ARGUMENTS = {
    "jwt.encode": (1, "key"),
    "jwt.decode": (1, "key"),
    "jwt.PyJWT.encode": (1, "key"),
    "jwt.PyJWT.decode": (1, "key"),
    "jose.jwt.encode": (1, "key"),
    "jose.jwt.decode": (1, "key"),
    "authlib.jose.jwt.encode": (2, "key"),
    "cryptography.fernet.Fernet": (0, "key"),
    "hmac.new": (0, "key"),
    "itsdangerous.URLSafeTimedSerializer": (0, "secret_key"),
    "itsdangerous.URLSafeSerializer": (0, "secret_key"),
    "itsdangerous.TimestampSigner": (0, "secret_key"),
    "itsdangerous.Signer": (0, "secret_key"),
    "starlette.middleware.sessions.SessionMiddleware": (1, "secret_key"),
}
DESCRIBING = frozenset(
    "description example examples help pattern title json_schema_extra summary openapi_examples".split()
)

SAMPLES = re.compile(
    r"(^|[/_.-])(seed(s|er|ers|ing)?|fixtures?|demos?|samples?|examples?|dummy)([/_.-]|$)", re.IGNORECASE
)
MEASURES = re.compile(
    r"(^|/)([\w-]+[_-])?(benchmarks?|load[_-]?tests?|stress[_-]?tests?|locust\w*)[/_.-]", re.IGNORECASE
)
EXAMPLE = re.compile(r"\s*(an? )?(example|demo|sample)\b", re.IGNORECASE)
FOR_TESTS = re.compile(r"^Test(ing)?([A-Z_]|$)|(Config|Settings|Env|Environment)_?(For)?Tests?(ing)?$")
Secret = tuple[Place, str, str, str | None]


@security.check(
    "SEC005",
    "hardcoded-secret",
    title="Secret written in the code or defaulted",
    impact=HIGH,
    anti_pattern=8,
    fix="Declare the setting without a default (SecretStr), and replace the secret.",
)
def hardcoded_secret(project: Project) -> Found:
    """Who can read the code, or guess the default, can sign tokens or log in.

    Source: FastAPI, Settings and Environment Variables, https://fastapi.tiangolo.com/advanced/settings/

    Bad:
        import os
        import jwt
        from pydantic_settings import BaseSettings

        SECRET_KEY = "8f42a73054b1749f8f58848be5e6502c"  # SEC005
        SIGNING = "not very secret"  # SEC005

        class Settings(BaseSettings):
            jwt_secret: str = "change-me-please"  # SEC005
            database_url: str = "postgresql://app:hunter22@db/app"  # SEC005

        API_KEY = os.getenv("API_KEY", "dev-key-0123456789")  # SEC005

        def issue(claims):
            return jwt.encode(claims, SIGNING, algorithm="HS256")
    Good:
        from pydantic import SecretStr
        from pydantic_settings import BaseSettings

        class Settings(BaseSettings):
            jwt_secret: SecretStr
            database_url: str
    Not this:
        import os
        from fastapi.security import OAuth2PasswordBearer
        from pydantic import field_validator
        from pydantic_settings import BaseSettings

        scheme = OAuth2PasswordBearer(tokenUrl="/auth/token")
        ACCESS_TOKEN = "access_token"
        PASSWORD_FIELD = "password"
        API_KEY_HEADER = "X-API-Key"
        ENV_SECRET_KEY = "SECRET_KEY"
        CLIENT_SECRET = "client-secret"
        SECRET_KEY = os.environ["SECRET_KEY"]
        PROXY_CA_SECRET = os.getenv("PROXY_CA_SECRET", "proxy-ca")

        def mount(secret_name: str = PROXY_CA_SECRET): ...

        password = ""
        api_key = "<set by the environment>"
        error = {"invalid_password": "The password is wrong, try again"}

        class Settings(BaseSettings):
            secret_key: str = "changethis"

            @field_validator("secret_key")
            @classmethod
            def not_the_default(cls, value: str) -> str:
                if value == "changethis":
                    raise ValueError("set SECRET_KEY")
                return value
    """
    yield from _by_class(_secrets(project))


def _secrets(project: Project) -> Iterator[Hit]:
    seen: set[tuple[str, int]] = set()
    for module in project.app_modules:
        for place, message, secret, impact in _in_module(project, module):
            if (place.path, place.line) not in seen:
                seen.add((place.path, place.line))
                yield Hit(place, f"{message} ({masked(secret)})", impact=impact, secrets=(secret,))
    compared = ((place, message, secret, None) for place, message, secret in compared_literals(project))
    for place, message, secret, impact in (*_used_as_keys(project), *_in_images(project), *compared):
        if (place.path, place.line) not in seen:
            seen.add((place.path, place.line))
            yield Hit(place, f"{message} ({masked(secret)})", impact=impact, secrets=(secret,))


def _by_class(hits: Iterable[Hit]) -> Iterator[Hit]:
    """Defaults below High in one class (services on this machine) as one signal, the others as its places."""
    found: dict[tuple[str, str, str | None], list[Hit]] = {}
    for hit in hits:
        if hit.impact in (MEDIUM, LOW) and hit.place.symbol.rpartition(".")[2][:1].isupper():
            found.setdefault((hit.place.path, hit.place.symbol, hit.impact), []).append(hit)
        else:
            yield hit
    for first, *others in found.values():
        more = f", and {len(others)} more in this class" if others else ""
        secrets = tuple(s for hit in (first, *others) for s in hit.secrets)
        places = tuple(hit.place for hit in others)
        yield replace(first, message=f"{first.message}{more}", places=places, secrets=secrets)


def _in_module(project: Project, module: Module) -> Iterator[Secret]:
    if module.name in ("test.py", "testing.py", "tests.py"):
        return
    example = EXAMPLE.match(ast.get_docstring(module.node) or "") is not None
    samples = example or SAMPLES.search(module.path) is not None
    measuring = MEASURES.search(module.path) is not None
    services = frozenset(s for compose in project.stack.containers.composes for s in compose.services)
    for scope in module.walk():
        if isinstance(scope, Class) and FOR_TESTS.search(scope.name):
            continue
        for place, message, value, impact in (*_bound(project, scope), *_given(scope)):
            if not (measuring or run_by_hand(project, scope)):
                yield place, message, value, LOW if samples else impact
        for place, message, value, impact in _by_form(scope, services):
            yield place, message, value, LOW if example else impact


# Names that say secret


def _bound(project: Project, scope: Scope) -> Iterator[Secret]:
    """Names of secrets that hold a literal or have one as the default."""
    for name, bindings in scope.bindings.items():
        if not is_secret_name(name):
            continue
        for binding in bindings:
            if binding.kind != "assign" or binding.index is not None or under_main(binding.node):
                continue
            found = project.defaults.of(binding.value, scope)
            if found is None or not isinstance(found.value, str):
                continue
            place = scope.place(binding.node)
            settings = _is_settings(project, scope)
            if settings or (found.configurable and _is_literal(found, place)):
                accepted = _is_default(found.value, name) and not _is_rejected(scope, found.value)
                if accepted and not (_names_stored_secret(project, name) or is_refused(project, name, found.value)):
                    impact = LOW if _is_of_this_machine(project, scope, name) else _impact(name)
                    yield place, f"{name} has a default in the code", found.value, impact
            elif _is_literal(found, place) and _is_secret(found.value, name):
                yield place, f"{name} is written in the code", found.value, _impact(name)


@cache
def is_secret_name(name: str) -> bool:
    """Whether a variable or field of this name holds one secret, by its name."""
    return bool(SECRET_NAME.search(name)) and not NOT_ABOUT_ONE.search(name) and not PUBLIC_BY_DESIGN.search(name)


def _is_literal(found: Default, place: Place) -> bool:
    """Whether the value stands here, rather than elsewhere, where it is reported."""
    return found.place.path == place.path and place.line <= found.place.line <= max(place.end_line, place.line)


def _impact(name: str) -> str | None:
    return MEDIUM if STORE.search(name) and PASSWORD_NAME.search(name) else None


def _is_of_this_machine(project: Project, scope: Scope, name: str) -> bool:
    """Whether a password is for a server whose address is this machine unless it is set: SMTP_HOST = "localhost"."""
    prefix = name.partition("_")[0].lower()
    hosts = [n for n in scope.bindings if HOST_NAME.search(n) and n.lower().startswith(prefix + "_")]
    known = [project.defaults.of(scope.bindings[n][-1].value, scope) for n in hosts]
    return bool(known) and _impact(name) is not None and all(k is not None and k.value in LOCAL for k in known)


def _is_settings(project: Project, scope: Scope) -> bool:
    schema = project.schemas.of(scope) if isinstance(scope, Class) else None
    return schema is not None and schema.is_settings


def _is_default(value: str, name: str) -> bool:
    """A value that makes a system start without the secret: anything but nothing and placeholders that cannot work."""
    return 4 <= len(value) <= 200 and not PLACEHOLDER.match(value) and value.lower() != name.lower()


def _names_stored_secret(project: Project, name: str) -> bool:
    """Whether the value is what a secret is called in its store: it is given as `secret_name`."""
    given = re.compile(rf"secret_?(name|id|path|arn)\b[^=\n]{{0,20}}=\s*(\w+\.)*{name}\b", re.IGNORECASE)
    return any(name in module.source.text and given.search(module.source.text) for module in project.app_modules)


def _repeats(value: str, name: str) -> bool:
    """Whether a value is but the name in another spelling (`CLIENT_SECRET = "client-secret"`)."""
    plain, of_name = (re.sub(r"[^a-z0-9]", "", text.lower()) for text in (value, name))
    return bool(plain) and (plain in of_name or (of_name in plain and "_" in name and value.isupper()))


def _is_rejected(scope: Scope, value: str) -> bool:
    """Whether a validator of the settings compares with the default (and raises or warns)."""
    if not isinstance(scope, Class):
        return False
    compared = (n for s in scope.walk() if s is not scope for c in s.all(ast.Compare) for n in ast.walk(c))
    return any(isinstance(n, ast.Constant) and n.value == value for n in compared)


def _is_secret(value: str, name: str) -> bool:
    """A literal that is a secret rather than the name of one: random, or a password that is no word."""
    if len(value) < 8 or PLACEHOLDER.match(value) or not ANALYSED.match(value) or _repeats(value, name):
        return False
    if value.startswith("/") or "://" in value:
        return False
    if looks_random(value):
        return True
    if not PASSWORD_NAME.search(name) or re.fullmatch(r"[A-Za-z]+([_.:-][A-Za-z]+)*", value):
        return False
    return any(c.isdigit() for c in value) and not re.fullmatch(r"[A-Z0-9_]+|[a-z]+([_.-][a-z0-9]+)+", value)


def _given(scope: Scope) -> Iterator[Secret]:
    """Keyword arguments and dictionary entries whose name says secret."""
    for keyword in scope.all(ast.keyword):
        value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
        if (
            isinstance(value, str)
            and keyword.arg
            and is_secret_name(keyword.arg)
            and _is_secret(value, keyword.arg)
            and not (under_main(keyword) or _is_documentation(keyword.value))
        ):
            yield scope.place(keyword.value), f"{keyword.arg} is written in the code", value, _impact(keyword.arg)
    for display in scope.all(ast.Dict):
        for key, item in zip(display.keys, display.values, strict=True):
            name = key.value if isinstance(key, ast.Constant) else None
            value = item.value if isinstance(item, ast.Constant) else None
            if (
                isinstance(value, str)
                and isinstance(name, str)
                and is_secret_name(name)
                and _is_secret(value, name)
                and not (under_main(display) or _is_documentation(item))
            ):
                yield scope.place(item), f"{name} is written in the code", value, _impact(name)


# Forms


def _by_form(scope: Scope, services: frozenset[str]) -> Iterator[Secret]:
    """Literals that are secrets by their form: known prefixes, private keys, addresses with a password."""
    for constant in scope.all(ast.Constant):
        text = constant.value
        if not isinstance(text, str) or not 12 <= len(text) <= 5000:
            continue
        known = KNOWN_FORM.search(text)
        if not (known or PRIVATE_KEY.search(text) or ("://" in text and "@" in text)) or _is_documentation(constant):
            continue
        if known is not None and _is_real(known[0]):
            yield scope.place(constant), "a credential is written in the code", known[0], None
        elif PRIVATE_KEY.search(text):
            yield scope.place(constant), "a private key is written in the code", text, None
        elif "://" in text and "@" in text:
            yield from _address(scope, constant, text, services)


def _is_real(text: str) -> bool:
    """No documentation sample (the example key of AWS, `sk-xxxx`, `sk-1234`): every part varied."""
    plain = text.lower()
    if any(
        word in plain for word in ("example", "xxxx", "1234567", "your", "abcdef", "00000", "test", "dummy", "fake")
    ):
        return False
    return looks_random(text) or text.startswith("09d25e094faa6ca2556c")


def _address(scope: Scope, constant: ast.Constant, text: str, services: frozenset[str]) -> Iterator[Secret]:
    """`services` are those of compose files: only beside them their names are hosts."""
    found = ADDRESS.match(text)
    if found is None:
        return
    password, user = found["password"], found["start"].split("://", 1)[1].rstrip(":")
    host = re.split(r"[/:?]", text[found.end() + 1 :], maxsplit=1)[0]
    plain = password.lower()
    if PLACEHOLDER.match(password) or (user.lower(), plain) in _DOCUMENTED or re.search(r"[<>{}%]|example\.", text):
        return
    trivial = plain in (user.lower(), "password")
    near = host in LOCAL or (trivial and host in services)
    message = "an address with a password is written in the code"
    yield scope.place(constant), message, password, LOW if near and trivial else MEDIUM if near or trivial else None


_DOCUMENTED = frozenset(
    [
        ("user", "pass"),
        ("user", "password"),
        ("username", "password"),
        ("user", "pwd"),
        ("username", "pass"),
        ("u", "p"),
    ]
)


def _is_documentation(constant: ast.AST) -> bool:
    child = constant
    for holder in parents(constant):
        if isinstance(holder, ast.Expr):
            return not isinstance(holder.value, ast.Call)
        if isinstance(holder, ast.keyword) and holder.arg in DESCRIBING:
            return True
        if isinstance(holder, (ast.Compare, ast.Raise, ast.Assert)):
            return True
        pairs = zip(holder.keys, holder.values, strict=True) if isinstance(holder, ast.Dict) else ()
        if any(v is child and isinstance(k, ast.Constant) and k.value in DESCRIBING for k, v in pairs):
            return True
        child = holder
    return False


# Values used as keys


def _used_as_keys(project: Project) -> Iterator[Secret]:
    """Literals that sign, encrypt or verify, whatever their name."""
    for site in project.calls.named(KEY_ARGUMENTS):
        name = next(n for n in site.names if n in KEY_ARGUMENTS)
        given = site.argument(*KEY_ARGUMENTS[name])
        yield from _key(project, given, site.scope, ".".join(name.split(".")[-2:]))
    for app in project.route_map.apps:
        for middleware in app.middleware:
            if isinstance(middleware.node, ast.Call) and _is_sessions(middleware.value):
                given = next((k.value for k in middleware.node.keywords if k.arg == "secret_key"), None)
                yield from _key(project, given, middleware.scope, "SessionMiddleware")


def _in_images(project: Project) -> Iterator[Secret]:
    """Secrets that a Dockerfile puts into the image."""
    for name, given in project.stack.containers.environment.items():
        for place, value in given if is_secret_name(name) else ():
            literal = value.strip("'\"")
            path = place.path.lower()
            in_image = "dockerfile" in path and not re.search(r"test|example|sample|demo|docs?/", path)
            if in_image and "$" not in literal and _is_default(literal, name) and not _is_replaced(project, literal):
                yield place, f"{name} is part of the image", literal, _impact(name)


def _is_replaced(project: Project, literal: str) -> bool:
    """Whether a text says that something stands for it (`__KEY__`), or a start script puts something in its place."""
    scripts = (project.text_of(path) for path in project.files if path.endswith(".sh"))
    edits = re.compile(rf"\bs(?P<mark>[/|#,@~])[^\n]*{re.escape(literal)}[^\n]*(?P=mark)")
    return bool(re.fullmatch(r"__\w+__", literal)) or any(edits.search("\n".join(lines)) for lines in scripts)


def _signs(project: Project, found: Default, given: ast.expr | None) -> bool:
    """Whether a word that only stands for a key is the key until a setting says otherwise, and nothing refuses it."""
    value = str(found.value)
    return found.configurable and bool(WORD_FOR_ONE.match(value)) and not is_refused(project, last_name(given), value)


def _is_sessions(value: object) -> bool:
    return getattr(value, "dotted", "") == "starlette.middleware.sessions.SessionMiddleware"


def _key(project: Project, given: ast.expr | None, scope: Scope, user: str) -> Iterator[Secret]:
    while isinstance(given, ast.Call) and isinstance(given.func, ast.Attribute) and given.func.attr == "encode":
        given = given.func.value
    found = project.defaults.of(given, scope)
    if found is None:
        return
    value = found.value.decode("latin-1") if isinstance(found.value, bytes) else found.value
    if isinstance(value, str) and len(value) >= 3 and (not PLACEHOLDER.match(value) or _signs(project, found, given)):
        how = "has a default in the code" if found.configurable else "is written in the code"
        yield found.place, f"the key of {user} {how}", value, None
