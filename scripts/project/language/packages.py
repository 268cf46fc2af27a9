"""The packages of an application, as deep as it takes to see what it is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from project.language.scopes import Module

_ENOUGH, _MOST_SPLITS = 5, 8


def packages(modules: Iterable[Module]) -> dict[Module, str]:
    """The folder that stands for each module, "." for the root.

    The largest are split until there are several and none holds more than half of the lines.
    """
    known = list(modules)
    found = {module: _folder(module, 1) for module in known}
    whole: set[str] = set()
    for _ in range(_MOST_SPLITS):
        lines: Counter[str] = Counter()
        for module, package in found.items():
            lines[package] += len(module.lines)
        largest = next((p for p, _ in lines.most_common() if p not in whole), None)
        if largest is None or (len(lines) >= _ENOUGH and 2 * lines[largest] <= lines.total()):
            break
        depth = 1 if largest == "." else largest.count("/") + 2
        whole.add(largest)
        found |= {module: _folder(module, depth) for module, package in found.items() if package == largest}
    return found


def _folder(module: Module, depth: int) -> str:
    return "/".join(module.path.split("/")[:-1][:depth]) or "."
