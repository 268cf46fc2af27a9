"""Where a function decides whom or what to trust, or passes that decision on: hints for a reader, by form and name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from project.language.calls import Calls, CallSite
from project.language.scopes import Function

_CALLER = re.compile(r"^(current_)?(user|owner|tenant|org|organi[sz]ation|workspace|account|principal)(_id)?$")
_LEFT_OUT = re.compile(
    r"^(skip|bypass|ignore|disable|without)_(\w+_)?(auth\w*|check\w*|permissions?|access|valid\w+|verif\w+|limits?|"
    r"owners?|tenants?|users?|rls|guards?|acls?|scopes?|ssl|tls|csrf)(_|$)"
    r"|^allow_(\w+_)?(anonymous|unauthenticated|unverified|expired|insecure|any|all|external|private|redirects?)(_|$)"
)
_DEMANDED = re.compile(r"^(check|verify|validate|enforce|require|authori[sz]e|authenticate)(_|$)")
_DECIDES = re.compile(
    r"(^|_)(can|may|has|is|filter|check|ensure|assert|validate|require|enforce|restrict)_(\w+_)?"
    r"(access|accessible|permissions?|permitted|allowed|owners?|ownership|owned|members?|membership|admins?|visible|"
    r"visibility|roles?|rights?|acls?|privileges?|limits?|quota|tenants?)(_|$)"
    r"|(^|_)(accessible|verify|authori[sz]e|impersonate)(_|$)"
)
_CRYPTIC = re.compile(r"(^|_)(en|de)crypt|(^|_)sign(ed|ature)?(_|$)|(^|_)unsign|(^|_)jwt(_|$)|(^|_)hmac|csrf|nonce")
_RESPONSES = re.compile(r"^(starlette|fastapi)\.responses\.(File|Streaming)?Response$")
_CALLS_OUT = re.compile(
    r"^(requests|httpx2?|aiohttp|urllib|urllib3)\.(?:.*\.)?(get|post|put|patch|delete|head|request|stream|send|urlopen|"
    r"build_request|ws_connect)$"
)
_ADDRESS_SECOND = frozenset(("request", "stream", "build_request"))
_STATE = re.compile(r"^(status|state|paid|settled|approved|verified|is_active|is_verified|disabled|revoked|balance)$")


@dataclass(frozen=True, slots=True)
class Hint:
    """What of trust a function does: `kind` for weighing, `text` in words for a reader."""

    kind: str
    text: str


def hints(function: Function, calls: Calls) -> Iterator[Hint]:
    """The forms found in one function, each kind once."""
    sites = calls.sites(function)
    for keyword in _switched_off(sites):
        yield Hint("passes over", f"passes {keyword}")
        break
    if _DECIDES.search(function.name):
        yield Hint("decides", "decides access")
    if _CRYPTIC.search(function.name):
        yield Hint("signs", "encrypts or signs")
    if any(_serves(site) for site in sites):
        yield Hint("serves", "serves stored content")
    if any(_calls_computed(site) for site in sites):
        yield Hint("address", "calls a computed address")
    if any(
        isinstance(n, ast.While) and getattr(n.test, "value", False) is True for n in function.nodes.get(ast.While, ())
    ):
        yield Hint("endless", "runs for ever")
    if any(_STATE.match(target.attr) for target in _assigned(function)):
        yield Hint("state", "changes a state")


def _switched_off(sites: list[CallSite]) -> Iterator[str]:
    """Arguments that tell a function of the project to do without a check: `user_id=None`, `skip_check=True`."""
    for site in sites:
        if site.call is not None and site.targets:
            for given in site.call.keywords:
                if given.arg and isinstance(given.value, ast.Constant) and _is_off(given.arg, given.value.value):
                    yield f"{given.arg}={given.value.value!r}"


def _is_off(name: str, value: object) -> bool:
    if value is None:
        return bool(_CALLER.match(name))
    return (value is True and bool(_LEFT_OUT.match(name))) or (value is False and bool(_DEMANDED.match(name)))


@cache
def _response(name: str) -> str:
    return name.rsplit(".", 1)[1] if _RESPONSES.match(name) else ""


@cache
def _called_out(name: str) -> str:
    found = _CALLS_OUT.match(name)
    return found[2] if found else ""


def _serves(site: CallSite) -> bool:
    """A file, or content of a type or with headers that are no constants."""
    if site.call is None:
        return False
    kinds = set(map(_response, site.names)) - {""}
    if not kinds:
        return False
    given = {k.arg: k.value for k in site.call.keywords}
    computed = [given[name] for name in ("media_type", "headers") if name in given]
    return "FileResponse" in kinds or any(isinstance(v, (ast.Name, ast.Attribute)) for v in computed)


def _calls_computed(site: CallSite) -> bool:
    last = next(filter(None, map(_called_out, site.names)), "")
    if not last:
        return False
    place = 1 if last in _ADDRESS_SECOND else 0
    given = site.argument(place) or site.argument(-1, "url")
    return given is not None and not _is_fixed(given)


def _is_fixed(address: ast.expr) -> bool:
    """A literal, a constant of the project, or text that begins with one of them."""
    if isinstance(address, ast.JoinedStr) and address.values:
        return _is_fixed(address.values[0])
    if isinstance(address, ast.FormattedValue):
        return _is_fixed(address.value)
    if isinstance(address, ast.BinOp):
        return _is_fixed(address.left)
    if isinstance(address, ast.Constant):
        return address.value not in ("http://", "https://", "")
    name = address.attr if isinstance(address, ast.Attribute) else address.id if isinstance(address, ast.Name) else ""
    return name.isupper()


def _assigned(function: Function) -> Iterator[ast.Attribute]:
    for node in function.nodes.get(ast.Assign, ()):
        if isinstance(node, ast.Assign):
            yield from (target for target in node.targets if isinstance(target, ast.Attribute))
