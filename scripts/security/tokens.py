"""Tokens: how they are verified and issued, how long they live, how they are made."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import HIGH, INFERRED, LOW, MEDIUM, Found, Hit
from project import Function, Project, Scope
from project.data.queries import WRITE
from project.language.calls import CallSite
from project.language.scopes import parent, parents
from project.routing.usage import Use
from security.around import by_file, last_name
from security.callers import is_for_admins, named, place_of
from security.dimension import security
from security.openness import called_names, reached_functions
from security.token_times import is_always_overridden, reads_expiry_soon, times_without_zone

PERSON = re.compile(r"user|account|profile|member|person|customer|^me", re.IGNORECASE)
SUBJECTS = frozenset(("username", "user_name", "login", "email", "name"))
REFRESH = re.compile(r"refresh", re.IGNORECASE)
RENEWS = re.compile(
    r"(create|make|issue|generate|new|sign|encode|get|build|rotate)_?\w*refresh|refresh_?token_?(create|store|save)|"
    r"(black|block|deny)_?list|"
    r"revok|rotat|invalidat|consume|mark_used|"
    r"(delete|remove|expire|replace|issue|create)_\w*(session|tokens|token_pair|pair)|set_refresh",
    re.IGNORECASE,
)
ISSUES_ACCESS = re.compile(
    r"(create|make|issue|generate|new|sign|encode|build)_?\w*(access|jwt)|access_token", re.IGNORECASE
)
DECODES = frozenset(("jwt.decode", "jwt.PyJWT.decode", "jwt.PyJWT().decode"))
JOSE_DECODES = frozenset(("jose.jwt.decode",))
ENCODES = frozenset(("jwt.encode", "jose.jwt.encode", "jwt.PyJWT.encode"))
PEEKS = frozenset(("iss", "kid", "exp", "alg", "aud", "azp", "client_id", "typ"))
DAY = 24 * 60 * 60
SECONDS = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "day": DAY, "week": 7 * DAY}
ACCESS_LIFETIME = re.compile(
    r"^(jwt_)?access_?(token)?_?(expires?|expiration|lifetime|ttl|valid\w*|max_age)?_?(in_?)?(time_?)?(delta_?)?"
    r"(?P<unit>second|sec|minute|min|hour|day|week)s?$|"
    r"^(auth_|auth_jwt_)?(jwt_|token_)(expires?|expiration|lifetime|ttl)_?(in_?)?(time_?)?(?P<other>second|sec|minute|min|hour|day|week)s?$",
    re.IGNORECASE,
)
SECRET_THING = re.compile(
    r"(^|_)(otp|pin|token|password|passwd|secret|salt|nonce|api_?key|session_?id|(verification|reset|invite|login|auth|"
    r"activation|confirmation|recovery|access|coupon|security)_?code)s?(_|$)",
    re.IGNORECASE,
)
NO_SECRET = re.compile(
    r"tokeni[sz]|num_|max_|count|usage|limit|test|mock|fake|dummy|sample|expire|ttl|delay|backoff|position", re.I
)
RANDOM = frozenset(
    f"random.{name}" for name in "choice choices randint randrange sample random getrandbits randbytes".split()
) | {"uuid.uuid1"}
EXPIRED_ON_PURPOSE = re.compile(
    r"refresh|revoke|logout|log_out|sign_?out|expired|blacklist|blocklist|renew|introspect|purge", re.I
)


@security.check(
    "SEC004",
    "jwt-verification-weak",
    title="Token accepted or issued without a needed check",
    impact=HIGH,
    anti_pattern=8,
    fix='Decode with the key, algorithms=[one], options={"require": ["exp", "sub"]}.',
)
def jwt_verification_weak(project: Project) -> Found:
    """Anyone can write an unverified token; one without exp is valid for ever.

    Source: PyJWT 2, Usage, https://pyjwt.readthedocs.io/en/stable/usage.html

    Bad:
        import jwt

        KEY = open("key").read()

        def read(token):
            return jwt.decode(token, options={"verify_signature": False})  # SEC004

        def read_any(token):
            return jwt.decode(token, KEY, algorithms=[jwt.get_unverified_header(token)["alg"]])  # SEC004

        def read_late(token):
            return jwt.decode(token, KEY, algorithms=["HS256"], options={"verify_exp": False})  # SEC004

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

        def read(token, keys):
            issuer = jwt.decode(token, options={"verify_signature": False})["iss"]
            return jwt.decode(token, keys[issuer], algorithms=["RS256"])

        def from_provider(client):
            return jwt.decode(client.fetch_token()["id_token"], options={"verify_signature": False})

        def to_revoke(token):
            return jwt.decode(token, KEY, algorithms=["HS256"], options={"verify_exp": False})["jti"]

        def issue(claims: dict):
            payload = dict(claims)
            payload.update({"exp": 1})
            return jwt.encode(payload, KEY, algorithm="HS256")

        def issue_any(claims: dict):
            return jwt.encode(claims, KEY, algorithm="HS256")
    """
    for site in project.calls.named(DECODES | JOSE_DECODES):
        yield from _decode(project, site)
    for site in project.calls.named(ENCODES):
        claims = _claims(site.argument(0, "payload") or site.argument(0, "claims"), site.scope)
        if claims is not None and "exp" not in claims:
            yield Hit(site.place(), "the token has no exp claim: it stays valid for ever", impact=MEDIUM)


def _decode(project: Project, site: CallSite) -> Iterator[Hit]:
    options = dict(_switches(site.argument(-1, "options")))
    if options.get("verify_signature") is False:
        yield from _unverified(project, site)
        return
    if options.get("verify_exp") is False and not _expiry_is_looked_at(project, site):
        yield Hit(site.place(), "verify_exp is switched off: expired tokens are accepted", impact=MEDIUM)
    algorithms = site.argument(2, "algorithms")
    if algorithms is not None and _from_header(project, algorithms, site.scope):
        yield Hit(site.place(), "the token itself says by which algorithm it is verified")
    if algorithms is None and JOSE_DECODES.intersection(site.names) and site.call and not _open_ended(site.call):
        yield Hit(site.place(), "no algorithms given: python-jose accepts any it knows", impact=MEDIUM)


def _unverified(project: Project, site: CallSite) -> Iterator[Hit]:
    """Claims of a token that a client sent, read without its signature, and nothing else in the function verifies it.

    A token from elsewhere (the answer of an identity provider) is no matter of the client.
    """
    token = site.argument(0, "jwt") or site.argument(0, "token")
    if _only_peeks(site) or _is_verified_too(project, site) or token is None or _goes_elsewhere(site, token):
        return
    message = "verify_signature is switched off: anyone can write such a token"
    way = project.origins.way(token, site.scope)
    if way is not None and _only_observes(project, site):
        return
    if way is not None:
        yield Hit(site.place(), message, way.places)
    elif _is_handed_over(project, site, token):
        yield Hit(site.place(), message, certainty=INFERRED)


def _only_observes(project: Project, site: CallSite) -> bool:
    """Whether only middleware runs it, which logs or counts: a guard would be one for its routes."""
    function = project.requests.within(site.scope)
    reaching = project.requests.roots_reaching(function) if function is not None else []
    return (
        bool(reaching)
        and all(r.kind == "middleware" for r in reaching)
        and not any("middleware" in r.auth_by for r in project.routes)
    )


def _is_handed_over(project: Project, site: CallSite, token: ast.expr) -> bool:
    """Whether the token is a parameter of a function that no code of the project calls: its origin is unknown."""
    function = site.scope
    if not isinstance(function, Function) or not isinstance(token, ast.Name) or function.param(token.id) is None:
        return False
    return (
        not project.calls.callers(function) and project.origins.entered_by(function) is None and function.owner is None
    )


def _goes_elsewhere(site: CallSite, token: ast.expr) -> bool:
    """Whether the function hands the token to another call as well, which may have it verified."""
    text = ast.unparse(token)
    for call in site.scope.all(ast.Call):
        if call is not site.node and not _logs(call):
            given = [*call.args, *(k.value for k in call.keywords)]
            if any(
                ast.unparse(n) == text for g in given for n in ast.walk(g) if isinstance(n, (ast.Name, ast.Attribute))
            ):
                return True
    return False


def _logs(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in ("debug", "info", "warning", "error", "exception")


def _only_peeks(site: CallSite) -> bool:
    """`decode(...)["iss"]`: a look at what chooses the key, or at the time."""
    around = parent(site.node)
    if isinstance(around, ast.Subscript):
        return isinstance(around.slice, ast.Constant) and around.slice.value in PEEKS
    if isinstance(around, ast.Attribute) and around.attr == "get":
        call = parent(around)
        first = call.args[0] if isinstance(call, ast.Call) and call.args else None
        return isinstance(first, ast.Constant) and first.value in PEEKS
    if isinstance(around, (ast.Assign, ast.AnnAssign)):
        target = around.targets[0] if isinstance(around, ast.Assign) else around.target
        return isinstance(target, ast.Name) and _read_only_for(target.id, site.scope)
    return False


def _read_only_for(name: str, scope: Scope) -> bool:
    uses = [n for n in scope.all(ast.Name) if n.id == name and isinstance(n.ctx, ast.Load)]
    keys: list[object] = []
    for use in uses:
        around = parent(use)
        call = parent(around) if isinstance(around, ast.Attribute) and around.attr == "get" else None
        key = (
            around.slice
            if isinstance(around, ast.Subscript)
            else call.args[0]
            if isinstance(call, ast.Call) and call.args
            else None
        )
        keys.append(key.value if isinstance(key, ast.Constant) else None)
    return bool(keys) and all(k in PEEKS for k in keys)


def _is_verified_too(project: Project, site: CallSite) -> bool:
    others = (s for s in project.calls.sites(site.scope) if s.node is not site.node)
    return any(
        (DECODES | JOSE_DECODES).intersection(s.names)
        and dict(_switches(s.argument(-1, "options"))).get("verify_signature") is not False
        for s in others
    )


def _expiry_is_looked_at(project: Project, site: CallSite) -> bool:
    """Whether `exp` is required or read by hand, here or where the claims go, or the function is about expired ones."""
    constants = [c.value for c in site.scope.all(ast.Constant)]
    attributes = {a.attr for a in site.scope.all(ast.Attribute)}
    if EXPIRED_ON_PURPOSE.search(site.scope.qualname) or "exp" in constants or "exp" in attributes:
        return True
    if not isinstance(site.scope, Function):
        return False
    callers = [c.scope for c in project.calls.callers(site.scope) if c.scope.module.kind == "app"]
    if reads_expiry_soon(project, site.scope):
        return True
    return bool(callers) and _is_returned(site) and all(reads_expiry_soon(project, scope) for scope in callers)


def _is_returned(site: CallSite) -> bool:
    holder = parent(site.node)
    if isinstance(holder, ast.Return):
        return True
    names = {t.id for t in getattr(holder, "targets", []) if isinstance(t, ast.Name)}
    return any(isinstance(r.value, ast.Name) and r.value.id in names for r in site.scope.all(ast.Return))


def _from_header(project: Project, algorithms: ast.expr, scope: Scope) -> bool:
    """Whether the algorithm comes from the unverified header, at once or through a local name."""
    nodes = list(ast.walk(algorithms))
    for name in [n.id for n in nodes if isinstance(n, ast.Name)]:
        nodes += [n for b in scope.bindings.get(name, []) if b.value is not None for n in ast.walk(b.value)]
    calls = (n for n in nodes if isinstance(n, ast.Call))
    return any(str(project.names.canonical(c.func, scope)).endswith("get_unverified_header") for c in calls)


def _open_ended(call: ast.Call) -> bool:
    return any(k.arg is None for k in call.keywords)


def _switches(options: ast.expr | None) -> Iterator[tuple[str, object]]:
    if isinstance(options, ast.Dict):
        for key, value in zip(options.keys, options.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                yield str(key.value), value.value


def _claims(payload: ast.expr | None, scope: Scope) -> set[str] | None:
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
    "SEC024",
    "token-lifetime-and-randomness",
    title="Token that can be guessed, or is valid for longer than meant",
    impact=MEDIUM,
    anti_pattern=8,
    fix="Use the secrets module; let access tokens live minutes, by datetime.now(timezone.utc).",
)
def token_lifetime_and_randomness(project: Project) -> Found:
    """The random module is predictable from its output. An access token that leaks works until it expires, and nobody
    can take it back. PyJWT reads a time without a zone as UTC, which `datetime.now()` is not.

    Source: Python, secrets, https://docs.python.org/3/library/secrets.html

    Bad:
        import random
        import string
        from datetime import datetime, timedelta

        import jwt

        ACCESS_TOKEN_EXPIRE_MINUTES = 60 * 24 * 30  # SEC024

        def make_reset_token():
            return "".join(random.choices(string.ascii_letters, k=20))  # SEC024

        def send():
            otp = random.randint(100000, 999999)  # SEC024
            return otp

        def issue(name, key):
            expires = datetime.now() + timedelta(minutes=15)
            return jwt.encode({"sub": name, "exp": expires}, key)  # SEC024
    Good:
        import secrets
        from datetime import datetime, timedelta, timezone

        import jwt

        ACCESS_TOKEN_EXPIRE_MINUTES = 30

        def issue(name, key):
            expires = datetime.now(timezone.utc) + timedelta(minutes=15)
            return jwt.encode({"sub": name, "exp": expires}, key)

        def make_reset_token():
            return secrets.token_urlsafe(32)
    Not this:
        import random
        from datetime import datetime, timedelta

        import jwt

        REFRESH_TOKEN_EXPIRE_DAYS = 30
        ACCESS_TOKEN_EXPIRE_MINUTES = 60

        def pick(items):
            return random.choice(items)

        def max_tokens():
            return random.randint(1, 10)

        def make_password():
            return random.SystemRandom().choice("abc")

        def issue(name, key):
            return jwt.encode({"sub": name, "exp": datetime.utcnow() + timedelta(minutes=15)}, key)

        def issue_by_seconds(name, key):
            return jwt.encode({"sub": name, "exp": int(datetime.now().timestamp()) + 900}, key)
    """
    for module in project.app_modules:
        for scope in module.walk():
            if not isinstance(scope, Function):
                yield from _lifetimes(project, scope)
    for site in project.calls.named(RANDOM):
        thing = _made(site)
        if thing and not NO_SECRET.search(thing):
            yield Hit(site.place(), f"{thing} is made with {site.names[0]}, which can be predicted", certainty=INFERRED)
    yield from times_without_zone(project, project.calls.named(ENCODES))
    yield from _unrotated(project)
    yield from by_file(_mutable_subjects(project))


def _unrotated(project: Project) -> Iterator[Hit]:
    """Routes that give a new access token for a refresh token and leave that as it is."""
    for route in project.routes:
        function = route.function
        if function is None or route.websocket or not REFRESH.search(route.path):
            continue
        names = set(called_names(project, function))
        given = {a.arg for a, _ in function.params} | {str(c.value) for c in function.all(ast.Constant)}
        stores = any(e.effect == WRITE for f in reached_functions(project, function, 2) for e in project.queries.of(f))
        if stores or not any(map(REFRESH.search, given)) or any(map(RENEWS.search, names)):
            continue
        if any(map(ISSUES_ACCESS.search, names)):
            message = f"{named(route)} takes the same refresh token again and again: it is neither replaced nor revoked"
            issued = (c for c in function.all(ast.Call) if ISSUES_ACCESS.search(last_name(c.func)))
            call = next(issued, None)
            place = function.place(call) if call is not None else place_of(route)
            yield Hit(place, message, (place_of(route),), certainty=INFERRED)


def _changes_own(project: Project, use: Use) -> bool:
    """Whether a body changes something that exists, by others than administrators."""
    changing = not use.path and bool({"PUT", "PATCH"} & set(use.route.methods))
    return changing and not is_for_admins(project, use.route)


def _mutable_subjects(project: Project) -> Iterator[Hit]:
    """`{"sub": user.username}` where clients may change the name: the old token is then that of whoever takes it."""
    changeable = {
        name
        for cls, uses in project.usage.bodies.items()
        if PERSON.search(cls.name) and any(_changes_own(project, use) for use in uses)
        for name in project.schemas.fields_of(cls)
        if name in SUBJECTS
    }
    for module in project.app_modules if changeable else ():
        for function in module.functions:
            for made in function.all(ast.Dict):
                for key, value in zip(made.keys, made.values, strict=True):
                    name = last_name(value)
                    if isinstance(key, ast.Constant) and key.value == "sub" and name in changeable:
                        message = f"the token is for whoever has this {name}, and a client may change its {name}"
                        yield Hit(function.place(made), message, (), LOW, INFERRED)


_LONGEST = 10**12  # beyond it a number is no time, and may be more than a float can hold


def _lifetimes(project: Project, scope: Scope) -> Iterator[Hit]:
    for name, bindings in scope.bindings.items():
        found = ACCESS_LIFETIME.match(name)
        unit = (found["unit"] or found["other"] or "").lower() if found is not None else ""
        for binding in bindings if unit else ():
            known = project.defaults.of(binding.value, scope) if binding.kind == "assign" else None
            number = known.value if known is not None else None
            if isinstance(number, (int, float)) and not isinstance(number, bool) and number < _LONGEST:
                days = number * SECONDS[unit] / DAY
                if days > 1 and not is_always_overridden(project, name):
                    impact = MEDIUM if days > 2 else LOW
                    yield Hit(
                        scope.place(binding.node), f"{name}: an access token is valid for {days:g} days", impact=impact
                    )


def _made(site: CallSite) -> str:
    """What the random value becomes: the name it is assigned to, else the function that returns it."""
    for holder in parents(site.node):
        if isinstance(holder, (ast.Assign, ast.AnnAssign)):
            targets = holder.targets if isinstance(holder, ast.Assign) else [holder.target]
            names = [last_name(t) for t in targets]
            return next((n for n in names if SECRET_THING.search(n)), "")
        if isinstance(holder, ast.keyword) and holder.arg and SECRET_THING.search(holder.arg):
            return holder.arg
        if isinstance(holder, ast.Return):
            return site.scope.name if SECRET_THING.search(site.scope.name) else ""
    return ""
