"""Whether an open route is meant for everyone, and what it gives away or changes: judged by what its code does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

from project import Class, Function, Project
from project.data.models import Model
from project.data.queries import WRITE, Execution
from project.language.names import Variable
from project.language.value_types import DEPENDS
from project.routing.parameters import path_names
from project.routing.routes import Route

MAX_HOPS = 3
MAX_FUNCTIONS = 60
PUBLIC_WORDS = frozenset(
    "login signin signup register registration registrations token refresh logout signout callback authorize "
    "authorization oauth oauth2 oidc sso saml ldap mfa device health healthz healthcheck livez readyz ready "
    "live ping version versions metrics status webhook webhooks hook hooks ingress docs redoc forgot recover "
    "recovery reset verify verification confirm activate unsubscribe public wellknown captcha csrf manifest "
    "favicon robots sitemap heartbeat echo discovery contact newsletter subscribe feedback setup onboarding "
    "bootstrap install telemetry".split()
)
TWO_WORDS = frozenset(
    (
        ("auth", "start"),
        ("sign", "in"),
        ("sign", "up"),
        ("sign", "out"),
        ("log", "in"),
        ("log", "out"),
        ("well", "known"),
    )
)
CREDENTIALS = re.compile(
    r"(^|_)((password|passwd|pwd)(_?\d|_?(confirm|confirmation|again|repeat|retype|check))?|otp|code|challenge|signature|sig|token|secret|nonce|state|invite|invitation|api_?key|key|hash|"
    r"captcha|assertion|credential|credentials|grant_type|authorization)$",
    re.IGNORECASE,
)
SETS_PASSWORD = re.compile(r"(?<!current_)(?<!old_)(?<!existing_)(password|passwd|pwd)", re.IGNORECASE)
ISSUES = re.compile(
    r"(^|_)(create|generate|issue|make|encode|new|sign)_\w*(token|jwt|session)|session_response|log_?in", re.IGNORECASE
)
SIGN_UP_SETTING = re.compile(
    r"(new_?accounts?|registrations?|sign_?ups?)_(allowed|enabled|open)|"
    r"(allow|enable|disable)_(new_accounts|registrations?|sign_?ups?)",
    re.IGNORECASE,
)
REQUESTS = frozenset("request req http_request websocket".split())
SECRET_IN_PATH = re.compile(r"(secret|token|signature)$", re.IGNORECASE)
VERIFIES = re.compile(
    r"auth(?!or(s|ed_by)?$|ors_)|permission|current_?user|verif|require_|check_access|log_?in|signature|hmac|challenge|"
    r"compare_digest|(create|issue|make|encode|new)_\w*(token|session)|session_response|_token$|construct_event|guard|"
    r"validate_\w*(key|token|secret)|rate_?limit_key|is_allowed|ensure_(admin|user|owner)|assert_(admin|user|owner)",
    re.IGNORECASE,
)
EFFECTS = frozenset(
    "add add_all create insert save update delete remove destroy commit execute bulk_create insert_one "
    "insert_many update_one delete_one delete_many enqueue enqueue_job publish send send_message delay "
    "apply_async add_task submit put upload write write_text write_bytes unlink rmtree start stop run trigger "
    "kill shutdown set hset lpush rpush xadd put_object".split()
)
PERSONAL = re.compile(
    r"^(e_?mail(_address)?|phone(_number)?|mobile|telephone|(street_|home_|billing_|postal_)?address|date_of_birth|birth_?date|"
    r"birthday|ssn|passport(_number)?|iban|salary|income|ip_address|last_login(_at|_ip)?|hashed_password|password_hash|"
    r"medical\w*|diagnosis|card_number)$",
    re.IGNORECASE,
)
NOT_A_PERSON = re.compile(
    r"organi[sz]ation|company|business|shop|store|vendor|supplier|restaurant|branch|office|contact|site|"
    r"node|host|server|device|network|instance|worker|peer|endpoint",
    re.I,
)


def is_public(project: Project, route: Route) -> bool:
    """Routes meant for everyone: they log in, sign up, take a token or signature, report health, or redirect.

    One that takes every method hands the request on to what may check it.
    """
    if says_public(route) or route.path in ("/", ""):
        return True
    if route.methods and (set(route.methods) <= {"HEAD", "OPTIONS"} or len(route.methods) > 4):
        return True
    function = route.function
    if function is None or _takes_credentials(project, route) or _has_class_dependencies(project, function):
        return True
    if _only_redirects(project, function) or _hands_credentials_on(function) or _takes_new_accounts(function):
        return True
    return any(VERIFIES.search(n) and not (_sets(route) and ISSUES.search(n)) for n in called_names(project, function))


def says_public(route: Route) -> bool:
    """Whether the path says that a route is for everyone: it logs in, signs up, reports health, takes webhooks."""
    return bool(_words(route) & PUBLIC_WORDS or _pairs(route) & TWO_WORDS)


def _sets(route: Route) -> bool:
    """Whether a route sets what it is given: a password in it is a new one, a token that it makes an answer."""
    return bool(route.methods) and set(route.methods) <= {"PUT", "PATCH", "DELETE"}


def issues_tokens(project: Project, route: Route) -> bool:
    """Whether a route lets callers in: it takes a password and answers with a token that the project signs."""
    if route.function is None or _sets(route) or not project.usage.takes_password(route):
        return False
    functions = [route.function, *(f for f in route.dependency_functions if isinstance(f, Function))]
    return any(
        name.endswith(".encode") and ("jwt" in name or "jose" in name)
        for function in functions
        for reached in reached_functions(project, function)
        for site in project.calls.sites(reached)
        for name in site.names
    )


def _words(route: Route) -> set[str]:
    plain = re.sub(r"\{[^}]*\}", " ", route.path)
    return {word.lower() for word in re.split(r"[^A-Za-z0-9]+", plain) if word} | {
        segment.lower().strip(".").replace("-", "").replace("_", "") for segment in plain.split("/")
    }


def _pairs(route: Route) -> set[tuple[str, str]]:
    plain = re.sub(r"\{[^}]*\}", " ", route.path)
    return set(pairwise(word.lower() for word in re.split(r"[^A-Za-z0-9]+", plain) if word))


def _takes_credentials(project: Project, route: Route) -> bool:
    """Whether a parameter or a field of the body proves who calls: a password, a token, a signature."""
    if any(map(SECRET_IN_PATH.search, path_names(route.path))):
        return True
    for parameter in project.usage.own_parameters(route):
        pattern = SECRET_IN_PATH if parameter.kind == "path" else CREDENTIALS
        if parameter.kind != "dependency" and pattern.search(parameter.name) and not _is_new(parameter.name, route):
            return True
        for cls in parameter.shape.classes() if parameter.kind in ("body", "form") else ():
            fields = project.schemas.fields_of(cls)
            if any(CREDENTIALS.search(name) and not _is_new(name, route) for name in fields):
                return True
            if "email" in fields and len(fields) <= 3 and not _sets(route):
                return True
    return any("OAuth2PasswordRequestForm" in name for name in route.dependencies)


def _is_new(name: str, route: Route) -> bool:
    """Whether a password is one to set, not one that proves who calls."""
    return _sets(route) and SETS_PASSWORD.search(name) is not None


def _hands_credentials_on(function: Function) -> bool:
    """Whether a handler reads the credentials itself, as one does that asks another service with them."""
    attributes = (a for a in function.all(ast.Attribute) if a.attr == "cookies")
    if any(isinstance(a.value, ast.Name) and a.value.id in REQUESTS for a in attributes):
        return True
    return any(isinstance(c.value, str) and c.value.lower() == "authorization" for c in function.all(ast.Constant))


def _takes_new_accounts(function: Function) -> bool:
    """Whether a handler looks at a setting that says whether anybody may sign up."""
    return any(SIGN_UP_SETTING.search(a.attr) for a in function.all(ast.Attribute))


def _has_class_dependencies(project: Project, function: Function) -> bool:
    """Whether the handler is a method of a class whose attributes are dependencies: what they check is not known."""
    if function.owner is None:
        return False
    for cls in project.names.mro(function.owner):
        if isinstance(cls, Class) and any(
            _is_depends(project, b.value, cls) for bs in cls.bindings.values() for b in bs
        ):
            return True
    return False


def _is_depends(project: Project, value: ast.expr | None, cls: Class) -> bool:
    return isinstance(value, ast.Call) and project.names.canonical(value.func, cls) in DEPENDS


def _only_redirects(project: Project, function: Function) -> bool:
    returned = [r.value for r in function.all(ast.Return)]
    names = [n for v in returned if isinstance(v, ast.Call) for n in project.calls.site(v, function).names]
    return bool(returned) and len(names) == len(returned) and all(n.endswith("RedirectResponse") for n in names)


# What the code does


def reached_functions(project: Project, function: Function, hops: int = MAX_HOPS) -> Iterator[Function]:
    """The function and those it calls, in a few hops."""
    seen = {function}
    level = [function]
    yield function
    for _ in range(hops):
        following: list[Function] = []
        for current in level:
            for site in project.calls.sites(current):
                for target in site.targets:
                    if target not in seen and target.module.kind == "app" and len(seen) < MAX_FUNCTIONS:
                        seen.add(target)
                        following.append(target)
        yield from following
        level = following


def called_names(project: Project, function: Function) -> Iterator[str]:
    """Last names of everything that the function and what it calls call."""
    for reached in reached_functions(project, function, 2):
        for scope in reached.walk():
            for call in scope.all(ast.Call):
                yield call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def has_effect(project: Project, function: Function) -> bool:
    """Whether the function, or what it calls, writes somewhere or makes something happen."""
    for reached in reached_functions(project, function):
        if any(e.effect == WRITE for e in project.queries.of(reached)):
            return True
        for call in reached.all(ast.Call):
            if isinstance(call.func, ast.Attribute) and call.func.attr in EFFECTS:
                return True
    return False


def models_of(project: Project, execution: Execution) -> Iterator[Model | None]:
    """Models a database call is about; that of `crud = FastCRUD(Model)` for methods of `crud`."""
    yield execution.model
    yield from (s.model for s in execution.statements)
    entity = project.names.resolve(execution.session, execution.scope) if execution.session is not None else None
    if execution.library == "fastcrud" and isinstance(entity, Variable):
        for binding in entity.bindings:
            if isinstance(binding.value, ast.Call) and binding.value.args:
                yield project.models.of(project.names.resolve(binding.value.args[0], entity.scope))


def personal_field(project: Project, route: Route) -> str:
    """`UserRead.email` when the response holds personal data by its type, or an untyped one comes from such a table."""
    answer = project.usage.answer(route)
    if answer.shape.classes() and not answer.is_response:
        for reached in project.schemas.reached(answer.shape):
            if NOT_A_PERSON.search(reached.cls.name):
                continue
            for name, field in project.schemas.fields_of(reached.cls).items():
                if PERSONAL.match(name) and not field.excluded:
                    return f"{reached.cls.name}.{name}"
        return ""
    if route.function is None:
        return ""
    for function in reached_functions(project, route.function, 1):
        for execution in project.queries.of(function):
            for model in models_of(project, execution):
                if model is None or NOT_A_PERSON.search(model.name):
                    continue
                found = next((c for c in model.columns if PERSONAL.match(c)), "")
                if found:
                    return f"{model.name}.{found}"
    return ""
