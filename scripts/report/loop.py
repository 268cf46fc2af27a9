"""The event loop in a few lines: how many routes run on it, how many may hold it, and what would mend them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from check import clean
from report.wording import count

if TYPE_CHECKING:
    from project.routing.listed import RouteList
    from project.routing.routes import Route

NEAR = 3
_REMEDIES = {
    "def": "would do as a plain def",
    "async client": "need an asynchronous client",
    "thread": "need run_in_threadpool",
}


def loop_lines(listed: RouteList, routes: Sequence[Route]) -> list[str]:
    """One line; nothing when there is no route."""
    on_loop = sum(route.is_async for route in routes)
    blocks = [block for route in routes if (block := listed.block(route)) is not None]
    if not on_loop and not blocks:
        return []
    near = sum(block["calls_away"] <= NEAR for block in blocks)
    through = sum(block["through"] for block in blocks)
    line = f"event loop: {count(on_loop, 'async def route')}; " if on_loop else "event loop: no async def route; "
    line += f"{count(len(blocks), 'route')} can reach a call that blocks it"
    line += f", {near:,} within {NEAR} calls" if blocks else ""
    line += f", {through:,} through an asynchronous dependency" if through else ""
    sometimes = sum(block["sometimes"] for block in blocks)
    line += f", {sometimes:,} only after an error or under some configuration" if sometimes else ""
    remedies = Counter(block["remedy"] for block in blocks)
    said = ", ".join(f"{remedies[name]:,} {text}" for name, text in _REMEDIES.items() if remedies[name])
    return [f"{line} ({said})" if said else line]


def block_row(listed: RouteList, route: Route) -> dict[str, Any] | None:
    """What holds the loop when a route runs, as JSON; None when nothing does."""
    block = listed.block(route)
    if block is None:
        return None
    short = {"call": 200, "function": 400, "instead": 200}
    shown = {name: value for name, value in block.items() if name not in ("through", "sometimes")}
    return shown | {name: clean(shown[name], limit) for name, limit in short.items()}
