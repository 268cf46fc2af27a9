"""The HTML page of a report: whole, self-contained, safe with hostile input, and working in a browser where one is."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.report_sample import ISSUE, report

from catalogue import CHECKS
from check import Selection, run
from project import Project
from report.document import Block, Line
from report.page.build import MARK, page
from report.page.markup import blocks, inline, safe

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
AXE = os.environ.get("AXE_CORE", "")
MAIN = """\
import time

from fastapi import APIRouter, Depends, FastAPI
from fastapi.security import OAuth2PasswordBearer
from app import store

scheme = OAuth2PasswordBearer(tokenUrl="token")
router = APIRouter(prefix="/api")
app = FastAPI()


def get_user(token: str = Depends(scheme)) -> str:
    return token


@router.get("/orders")
async def list_orders(user: str = Depends(get_user)) -> list[int]:
    return wait(store.ORDERS)


@router.post("/orders/{order_id}")
async def create_order(order_id: int) -> dict[str, int]:
    return {"id": order_id}


def wait(orders: list[int]) -> list[int]:
    time.sleep(1)
    return orders


app.include_router(router)
"""
STORE = """\
ORDERS: list[int] = []
API_KEY = "sk-live-4f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c"


def load() -> None:
    from app import main
    print(main)
"""
VOID = frozenset({"meta", "input", "br", "link", "img", "rect", "path"})
RunReview = Callable[..., "subprocess.CompletedProcess[str]"]
WriteTree = Callable[[Mapping[str, str]], Path]


class Elements(HTMLParser):
    """Every element with its attributes; fails when tags are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def written(location: str = "app/main.py:28") -> str:
    issue = ISSUE.replace("app/users.py:14", location).replace("requests.post(", "time.sleep(1)")
    text = report(issue, f"- [ ] Blocking call in a path operation, {location}")
    return text + "\n### Checked and dismissed\n- SEC001, SEC005, SEC010: a demonstration without users\n"


def made(root: Path, text: str) -> str:
    project = Project.at(root)
    return page(project, run(project, Selection(CHECKS)), text, [])


@pytest.fixture
def root(write_tree: WriteTree) -> Path:
    return write_tree({"app/__init__.py": "", "app/main.py": MAIN, "app/store.py": STORE})


# What stands on the page


def test_page_holds_every_part(root: Path) -> None:
    html = made(root, written())
    elements = Elements(html)
    headings = re.findall(r'<h2 id="(\w+)">', html)
    assert headings == "scores priorities findings architecture guards routes recommendations coverage".split()
    assert [f"#{name}" for name in headings] == [a["href"] for a in elements.all("a")[1:9]]
    text = " ".join(" ".join(elements.text).split())
    for said in (
        "API Design 3 of 5",
        "Blocking call in a path operation, app/main.py:28 issue 1 High impact",
        "app/main.py:28",
        "time.sleep(1)",
        "Trace of ASY001 GET /api/orders list_orders app/main.py:17",
        "Await an async client.",
        f"main entry point · {len(MAIN.splitlines())} lines",
        "/api/orders/{order_id} POST create_order app/main.py:22 Open",
        "/api/orders GET list_orders app/main.py:17 Authenticated get_user",
        "2 routes known of 2 that look like one",
        "Use httpx.",
        "SEC010: a demonstration without users",
    ):
        assert said in text, said


def test_cited_lines_are_marked_and_neighbours_shown(root: Path) -> None:
    html = made(root, written("app/main.py:27-28"))
    (excerpt,) = re.findall(r'<pre class="excerpt".*?</pre>', html, re.DOTALL)
    assert [int(n) for n in re.findall(r'class="number"> *(\d+)', excerpt)] == list(range(24, 32))
    assert [int(n) for n in re.findall(r'<mark><span class="number"> *(\d+)', excerpt)] == [27, 28]


def test_secrets_of_the_project_are_not_shown(root: Path) -> None:
    html = made(root, written("app/store.py:2"))
    assert "API_KEY" in html
    assert "4f9a8b7c6d5e" not in html


def test_page_is_self_contained_and_its_policy_fits(root: Path) -> None:
    html = made(root, written())
    elements = Elements(html)
    (policy,) = (m["content"] for m in elements.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in str(policy)
    assert str(policy).startswith("default-src 'none'")
    named = {name for _, attributes in elements.found for name in attributes}
    assert not named & {"src", "style", "srcset", "action", "xlink:href"}
    assert not re.search(r"@import|url\((?!#tip-)", html)


def test_page_can_be_read_without_seeing_it(root: Path) -> None:
    html = made(root, written())
    elements = Elements(html)
    ids = [str(attributes["id"]) for _, attributes in elements.found if "id" in attributes]
    assert [name for name, number in Counter(ids).items() if number > 1] == []
    refers = [str(a[key]) for _, a in elements.found for key in ("aria-labelledby",) if key in a]
    assert set(refers) <= set(ids)
    assert {str(a["href"])[1:] for a in elements.all("a")} <= set(ids)
    levels = [int(level) for level in re.findall(r"<h([1-6])", html)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(elements.all("table")) == html.count("<caption>") > 4
    assert all("scope" in a for a in elements.all("th"))
    assert all(a.get("aria-label") or a.get("aria-labelledby") or a.get("aria-hidden") for a in elements.all("svg"))
    assert html.count("<main") == html.count("<nav") == html.count("<header") == html.count("<footer") == 1
    assert elements.all("html") == [{"lang": "en"}]


@pytest.mark.parametrize("stars", [None, 0, 5])
def test_report_that_lacks_parts_makes_a_page_too(stars: int | None, root: Path) -> None:
    text = (
        ""
        if stars is None
        else f"## Architecture Scores\n|D|S|N|\n|-|-|-|\n| Security | {'⭐' * stars}{'☆' * (5 - stars)} |\n"
    )
    html = made(root, text + "# anything\n")
    assert html.count("no score") >= 5
    Elements(html)


# Nothing in a report or a project is markup

EVIL = "</script></style><img src=x onerror=alert(1)><script>alert(2)</script>{{script}}\"' onmouseover=alert(3) &lt;"


def test_hostile_report_cannot_inject(root: Path) -> None:
    text = written()
    for place in ("Blocking call in a path operation", "Await an async client.", "fair", "Use httpx.", "all of app/"):
        text = text.replace(place, f'{place} {EVIL} [x](javascript:alert(4)) `{EVIL}` [y](https://example.org/?a="b)')
    text = (
        text.replace("1. Use httpx", f"```html\n{EVIL}\n```\n| a |\n|-|\n| {EVIL} |\n\n1. Use httpx") + f"\n## {EVIL}\n"
    )
    text = text.replace("- Framework:", f"- {EVIL} Framework:").replace("### P0 (Must", f"### P0 {EVIL} (Must")
    _assert_harmless(made(root, text), made(root, written()))


def test_hostile_project_cannot_inject(write_tree: WriteTree) -> None:
    name = "app/<img src=x onerror=alert(1)>'\"&.py"
    evil = MAIN.replace('"/orders"', repr("/orders" + EVIL)).replace("time.sleep(1)", f"time.sleep(1)  # {EVIL}")
    root = write_tree({"app/__init__.py": "", "app/main.py": evil, "app/store.py": STORE, name: MAIN})
    html = made(root, written())
    _assert_harmless(html, html)
    assert "onerror=alert(1)&gt;" in html


def _assert_harmless(html: str, like: str) -> None:
    elements = Elements(html)
    known = {tag for tag, _ in Elements(like).found} | {"code", "pre", "table", "a"}
    assert {tag for tag, _ in elements.found} <= known
    assert (len(elements.all("script")), len(elements.all("style")), elements.all("img")) == (1, 1, [])
    assert [name for _, attributes in elements.found for name in attributes if name.startswith("on")] == []
    assert all(re.match(r"#|https://", str(a["href"])) for a in elements.all("a"))
    assert html.count('"use strict"') == 1


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a `<b>` **c** _d_", "a <code>&lt;b&gt;</code> <strong>c</strong> _d_"),
        ("[t](https://x.org/a?b=c&d)", '<a href="https://x.org/a?b=c&amp;d" rel="noreferrer noopener">t</a>'),
        ("[t](data:text/html,x) [u](SECURITY.md#sec001)", "t u"),
        ("`` a`b ``", "<code> a`b </code>"),
        ("a ` b", "a ` b"),
    ],
)
def test_inline_markdown(text: str, html: str) -> None:
    assert inline(text) == html


def test_blocks_of_markdown() -> None:
    lines = ["one", "two", "", "1. a", "   - b", "     more", "2. c", "", "| h |", "|---|", "| <x> |"]
    items: list[Line | Block] = [Line(n, line) for n, line in enumerate(lines)]
    html = blocks([*items, Block(20, "<code>")])
    assert html.startswith("<p>one two</p>\n<ol><li>a<ul><li>b more</li></ul></li><li>c</li></ol>\n")
    assert '<th scope="row">&lt;x&gt;</th>' in html
    assert html.endswith("<code>&lt;code&gt;</code></pre>")
    deep = blocks(Line(n, "  " * n + "- x") for n in range(3_000))
    assert deep.count("<li>") == 3_000


def test_control_characters_go_and_text_is_cut() -> None:
    assert safe("a\x00\x1b[31m\u202eb") == "a[31mb"
    assert safe("<" * 50, 10) == "&lt;" * 9 + "…"


# The command


def test_report_command(root: Path, review: RunReview, tmp_path: Path) -> None:
    file = tmp_path / "REVIEW.md"
    file.write_text(written(), encoding="utf-8")
    before = sorted(root.rglob("*"))
    for _ in range(2):  # its own file is written anew
        done = review("report", file, root, "-o", tmp_path / "review.html")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"Wrote {tmp_path / 'review.html'}") and "It passes." in done.stdout
    html = (tmp_path / "review.html").read_text(encoding="utf-8")
    assert html.startswith(f"<!doctype html>\n{MARK}") and "passed <code>review.py check" in html
    assert review("report", file, root, "-o", "-").stdout == html
    assert sorted(root.rglob("*")) == before
    file.write_text(written().replace("time.sleep(1)", "time.sleep(9)"), encoding="utf-8")
    done = review("report", file, root, "-o", tmp_path / "review.html")
    assert "The report breaks 1 rule: `review.py check` names them." in done.stdout
    assert "breaks 1 rule of" in (tmp_path / "review.html").read_text(encoding="utf-8")


def test_bad_input_of_the_report_command(root: Path, review: RunReview, tmp_path: Path) -> None:
    file, empty = tmp_path / "REVIEW.md", tmp_path / "empty.md"
    file.write_text(written(), encoding="utf-8")
    empty.write_text("\n", encoding="utf-8")
    out = tmp_path / "x.html"
    for arguments, said in (
        ((file, root), "where to? give -o FILE"),
        ((tmp_path / "none.md", root, "-o", out), "there is no file"),
        ((empty, root, "-o", out), "the report is empty"),
        ((file, tmp_path / "none", "-o", out), "there is no folder"),
        ((file, root, "-o", root / "x.html"), "add --allow-inside"),
        ((file, root, "-o", file), "exists and was not written by this command"),
        ((file, root, "-o", out, "--alow-inside"), "did you mean --allow-inside?"),
    ):
        done = review("report", *arguments)
        assert (done.returncode, done.stdout, said in done.stderr) == (2, "", True), done.stderr
    assert (out.exists(), file.read_text(encoding="utf-8")) == (False, written())
    assert review("report", file, root, "-o", root / "x.html", "--allow-inside").returncode == 0


# In a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH, and CHROMIUM names none")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def address(root: Path, tmp_path: Path) -> str:
    file = tmp_path / "review.html"
    file.write_text(made(root, written()), encoding="utf-8")
    return file.as_uri()


def test_browser_shows_the_page_without_a_complaint(browser: Any, address: str) -> None:
    messages: list[str] = []
    grounds = set()
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 400)):
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
        shown = context.new_page()
        shown.on("console", lambda message: messages.append(message.text))
        shown.on("pageerror", lambda error: messages.append(str(error)))
        shown.on("request", lambda request: messages.append(request.url) if request.url != address else None)
        shown.goto(address)
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        grounds.add((scheme, shown.evaluate("getComputedStyle(document.body).backgroundColor")))
        assert len(shown.pdf()) > 10_000
        context.close()
    assert (messages, len(grounds)) == ([], 2)


def test_browser_filters_the_routes(browser: Any, address: str) -> None:
    shown = browser.new_page()
    shown.goto(address)
    visible = shown.locator(".routes tbody tr:visible")
    assert visible.count() == 2
    shown.get_by_label("Search routes", exact=True).fill("post orders")
    assert (visible.count(), shown.locator("#route-count").inner_text()) == (1, "1 of 2 shown")
    shown.get_by_label("Search routes", exact=True).fill("")
    shown.get_by_label("Guard", exact=True).select_option("Authenticated")
    assert "list_orders" in visible.inner_text()
    shown.close()


def test_browser_without_script_has_every_route_and_no_dead_control(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    shown = context.new_page()
    shown.goto(address)
    assert shown.locator(".routes tbody tr:visible").count() == 2
    assert not shown.locator(".controls").is_visible()
    context.close()


def test_keyboard_reaches_the_skip_link_first_and_focus_is_seen(browser: Any, address: str) -> None:
    shown = browser.new_page()
    shown.goto(address)
    shown.keyboard.press("Tab")
    focus = shown.locator(":focus")
    assert focus.inner_text() == "Skip to the review"
    assert focus.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    shown.keyboard.press("Enter")
    assert shown.evaluate("document.activeElement.id") == "main"
    shown.close()


def test_axe_finds_nothing(browser: Any, address: str) -> None:
    if not AXE:
        pytest.skip("AXE_CORE names no axe.min.js")
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme, bypass_csp=True)
        shown = context.new_page()
        shown.goto(address)
        shown.evaluate(Path(AXE).read_text(encoding="utf-8"))
        found = shown.evaluate("axe.run()")
        assert [violation["id"] for violation in found["violations"]] == []
        context.close()
