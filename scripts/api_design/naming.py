"""Names of paths, measured by what the project itself mostly does."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from api_design.dimension import api
from api_design.routes import Handler, handlers, is_health_check, is_page, named, registration, segments
from api_design.wording import listed
from check import LOW, MEDIUM, Found, Hit
from project import Project
from project.routing.parameters import PATH_NAME
from project.routing.routes import Route

VERBS = frozenset("get create update delete list fetch add remove edit insert retrieve".split())
ACTIONS = frozenset(
    "start stop run execute analyze process summarize compute calculate perform evaluate convert translate".split()
)
_VERB = re.compile(rf"^({'|'.join(sorted(VERBS))})(?:[-_][a-z]|[A-Z]|$)")
_SNAKE, _KEBAB, _CAMEL = (
    re.compile(r"^[a-z0-9]+(_[a-z0-9]+)+$"),
    re.compile(r"^[a-z0-9]+(-[a-z0-9]+)+$"),
    re.compile(r"^[a-z0-9]+([A-Z][a-z0-9]*)+$"),
)
_STYLES = {"snake_case": _SNAKE, "kebab-case": _KEBAB, "camelCase": _CAMEL}
_STORAGE = re.compile(r"^(db|tbl|sql|orm|mongo|postgres)[-_][a-z]")
MINORITY = 0.34


@api.check(
    "API010",
    "rest-path-naming",
    title="Path that breaks the project's own naming",
    impact=LOW,
    fix="Name resources by plural nouns in one spelling, and let the method be the verb.",
)
def rest_path_naming(project: Project) -> Found:
    """Paths that follow one rule can be guessed; a trailing slash on some of them costs redirects, or reaches another
    route.

    Source: FastAPI, Behind a Proxy, https://fastapi.tiangolo.com/advanced/behind-a-proxy/ ; Microsoft, Web API design
    best
    practices, https://learn.microsoft.com/en-us/azure/architecture/best-practices/api-design

    Bad:
        from fastapi import FastAPI

        app = FastAPI()

        @app.post("/user")  # API010
        def create_user() -> int:
            return 1

        @app.get("/users")
        def list_users() -> int:
            return 1

        @app.get("/users/me/")  # API010
        def read_me() -> int:
            return 1

        @app.get("/users/{name}")
        def read_user(name: str) -> str:
            return name

        @app.get("/getOrders")  # API010
        def get_orders() -> int:
            return 1

        @app.get("/order-lines")
        def list_lines() -> int:
            return 1

        @app.get("/price-lists")
        def price_lists() -> int:
            return 1

        @app.get("/tax-rates")
        def tax_rates() -> int:
            return 1

        @app.get("/stock_levels")  # API010
        def stock_levels() -> int:
            return 1
    Good:
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/users")
        def list_users() -> int:
            return 1

        @app.post("/users")
        def create_user() -> int:
            return 1

        @app.get("/users/me")
        def read_me() -> int:
            return 1

        @app.get("/users/{user_id}")
        def read_user(user_id: int) -> int:
            return user_id
    Not this:
        from fastapi import APIRouter, FastAPI

        router = APIRouter(prefix="/orders")

        @router.get("/")
        def list_orders() -> int:
            return 1

        @router.get("/{order_id}")
        def read_order(order_id: int) -> int:
            return order_id

        @router.post("/{order_id}/cancel")
        def cancel_order(order_id: int) -> int:
            return order_id

        @router.get("/{order_id}/address")
        def read_address(order_id: int) -> int:
            return order_id

        app = FastAPI()
        app.include_router(router)

        @app.post("/login")
        def login() -> int:
            return 1

        @app.post("/webhooks/payment-provider")
        def payment() -> int:
            return 1

        @app.get("/status")
        def status() -> int:
            return 1
    """
    found = [
        h
        for h in handlers(project)
        if h.route.include_in_schema and not is_health_check(h.route) and not is_page(h, project)
    ]
    yield from _verbs(found)
    yield from _singulars(found)
    yield from _styles(found)
    yield from _lost_slashes(project, found)
    yield from _slashes(found)
    yield from _nesting(found, project.settings.threshold("path-nesting"))
    stores = [h for h in found if any(_STORAGE.match(part) for part in _static(h.route.path))]
    yield from _signal(
        stores, "{} names how the resource is stored", "paths name how the resource is stored ({} is the first)"
    )


def _static(path: str) -> list[str]:
    return [part for part in segments(path) if not PATH_NAME.search(part)]


def _signal(found: list[Handler], one: str, many: str, impact: str = LOW) -> Iterator[Hit]:
    """One signal for handlers that break one rule; `{}` in the texts is the first route."""
    if found:
        first, *more = found
        text = many.format(first.label) if more else one.format(first.label)
        message = f"{len(found)} {text}" if more else text
        yield Hit(registration(first.route), message, impact=impact, places=tuple(registration(h.route) for h in more))


def _verbs(found: list[Handler]) -> Iterator[Hit]:
    """CRUD verbs in paths, and three or more actions side by side, unless most of the project is made so."""
    actions: dict[str, list[Handler]] = defaultdict(list)
    for handler in found:
        parent, _, last = handler.route.path.rstrip("/").rpartition("/")
        if last in VERBS | ACTIONS and not PATH_NAME.search(parent):
            actions[parent].append(handler)
    calls = {h.function for group in actions.values() if len(group) > 2 for h in group}
    named_by_verb = [
        h for h in found if h.function in calls or any(_VERB.match(part) for part in _static(h.route.path))
    ]
    if len(named_by_verb) <= max(2, len(found) * MINORITY):
        one = "{} names the action in its path; the method already says it"
        yield from _signal(named_by_verb, one, "paths name the action that the method already says ({} is the first)")


def _singulars(found: list[Handler]) -> Iterator[Hit]:
    """Collections that stand in the singular in some paths and in the plural in others of the same parent."""
    plurals = {pair for handler in found for pair in _collections(handler.route.path)}
    words: set[str] = set()
    odd: list[Handler] = []
    posted = {pair for h in found if "POST" in h.route.methods for pair in list(_collections(h.route.path))[-1:]}
    for handler in found:
        singulars = {
            part
            for parent, part in _used_as_collection(handler.route)
            if _has_plural(parent, part, plurals)
            and not ((parent, part) in posted and _has_plural(parent, part, posted))
        }
        words |= singulars
        odd += [handler] if singulars else []
    repeated = [h for h in found if h not in odd and _repeats(h.route.path)]
    names = listed(sorted(f"/{w}" for w in words))
    one = f"{{}} says {names} where other paths have the plural"
    yield from _signal(odd, one, f"paths say {names} where others have the plural of it ({{}} is the first)")
    yield from _signal(
        repeated, "{} repeats the resource of its prefix", "paths repeat the resource of their prefix ({} is the first)"
    )


def _used_as_collection(route: Route) -> Iterator[tuple[str, str]]:
    """Names that an id follows, or that something is posted to; `GET /user` for oneself is no collection."""
    parts = segments(route.path)
    pairs = list(_collections(route.path))
    for (before, after), pair in zip(pairwise([*parts, ""]), _placed(parts, pairs), strict=True):
        if pair is not None and (PATH_NAME.search(after) or (not after and "POST" in route.methods and before)):
            yield pair


def _placed(parts: list[str], pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str] | None]:
    """The pairs of `_collections`, with None where a parameter stands."""
    left = iter(pairs)
    for part in parts:
        yield None if PATH_NAME.search(part) else next(left)


def _has_plural(parent: str, part: str, plurals: set[tuple[str, str]]) -> bool:
    return any((parent, plural) in plurals for plural in _plurals(part))


def _plurals(word: str) -> tuple[str, ...]:
    if len(word) < 3 or not word.isascii() or word.endswith("s"):
        return ()
    return (word + "s", word + "es", word[:-1] + "ies") if word.endswith("y") else (word + "s", word + "es")


def _collections(path: str) -> Iterator[tuple[str, str]]:
    """Static segments of a path with what stands before them (parameters without their names)."""
    before = ""
    for part in segments(path):
        is_parameter = bool(PATH_NAME.search(part))
        if not is_parameter:
            yield before, part
        before += "/{}" if is_parameter else f"/{part}"


def _repeats(path: str) -> bool:
    parts = segments(path)
    return any(
        part in (before, before.removesuffix("s")) and not PATH_NAME.search(before) and len(part) > 2
        for before, part in pairwise(parts)
    )


def _styles(found: list[Handler]) -> Iterator[Hit]:
    """The minority spelling of names of several words."""
    by_style: dict[str, list[Handler]] = defaultdict(list)
    words: dict[str, set[str]] = defaultdict(set)
    for handler in found:
        for style, part in {
            (s, part) for part in _static(handler.route.path) for s, pattern in _STYLES.items() if pattern.match(part)
        }:
            words[style].add(part)
            if handler not in by_style[style]:
                by_style[style].append(handler)
    if len(by_style) < 2:
        return
    usual = max(words, key=lambda s: len(words[s]))
    for style, odd in by_style.items():
        if style != usual and len(words[style]) <= len(words[usual]) * MINORITY:
            names = listed(sorted(words[style]))
            one = f"{{}} is spelled in {style} ({names}), other paths in {usual}"
            yield from _signal(
                odd, one, f"paths are spelled in {style} ({names}), the others in {usual}; {{}} is the first"
            )


def _lost_slashes(project: Project, found: list[Handler]) -> Iterator[Hit]:
    """Routes with a trailing slash whose form without it belongs to another route: no redirect, another answer."""
    open_paths: dict[tuple[str, str], Route] = {}
    fixed = {(method, r.path) for r in project.routes for method in r.methods}
    for route in project.routes:
        parts = segments(route.path)
        if parts and PATH_NAME.fullmatch(parts[-1]) and not route.path.endswith("/"):
            for method in route.methods:
                open_paths.setdefault((method, _open(route.path)), route)
    for handler in found:
        for route in handler.routes:
            path = route.path.rstrip("/")
            if not route.path.endswith("/") or not path or PATH_NAME.search(segments(path)[-1]):
                continue
            other = next(
                (o for m in route.methods if (m, path) not in fixed and (o := open_paths.get((m, _open(path))))), None
            )
            if other is not None and _covers(other.path, path):
                message = (
                    f"{'/'.join(route.methods)} {path} without the trailing slash is not redirected: "
                    f"{named(other)} answers it"
                )
                yield Hit(registration(route), message, impact=MEDIUM)


def _open(path: str) -> str:
    """The path with its last segment left open and names of parameters left out."""
    parts = ["{}" if PATH_NAME.search(p) else p for p in segments(path)]
    return "/".join(parts[:-1])


def _covers(path: str, other: str) -> bool:
    last = segments(path)[-1]
    return ":" not in last and len(segments(path)) == len(segments(other))


def _slashes(found: list[Handler]) -> Iterator[Hit]:
    """Paths whose trailing slash is the exception, among those that end in a name."""
    ends = [
        (h, h.route.path.endswith("/"))
        for h in found
        if segments(h.route.path) and not PATH_NAME.search(segments(h.route.path)[-1])
    ]
    deep = [(h, slash) for h, slash in ends if len(segments(h.route.path)) > 1 or not slash]
    with_slash = [h for h, slash in deep if slash]
    if with_slash and len(with_slash) <= len(deep) * MINORITY / 3:
        yield from _signal(
            with_slash, "Only {} ends with a slash", "paths end with a slash, the others do not ({} is the first)"
        )


def _nesting(found: list[Handler], most: int) -> Iterator[Hit]:
    deep = [h for h in found if _pairs(segments(h.route.path)) > most]
    yield from _signal(
        deep,
        f"{{}} nests more than {most} resources",
        f"paths nest more than {most} resources ({{}} is the first)",
    )


def _pairs(parts: Iterable[str]) -> int:
    """How many resources a path walks through: a name followed by its id."""
    flags = Counter(bool(PATH_NAME.search(p)) for p in parts)
    return flags[True]
