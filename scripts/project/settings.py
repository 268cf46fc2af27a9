"""What the owners of the reviewed project say about it: guards, layers, thresholds, what to leave out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from project.place import path_matches

THRESHOLDS: dict[str, int] = {
    "route-statements": 40,  # ORG001: statements of a path operation
    "route-branches": 10,  # ORG001: its branches
    "route-queries": 3,  # ORG001: queries and writes it makes itself
    "path-nesting": 3,  # API010: resources in one path
    "contract-test-routes": 20,  # TST: routes from which on the OpenAPI document should be compared
}


@dataclass(frozen=True, slots=True)
class Settings:
    """`file` says where they were read, "" when nothing is set. `disable` holds ids, `layers` the globs of each layer.

    `problem` says why the file could not be read.
    """

    file: str = ""
    exclude: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    thresholds: Mapping[str, int] = field(default_factory=dict)
    guards: tuple[str, ...] = ()
    layers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problem: str = ""

    def threshold(self, name: str) -> int:
        return self.thresholds.get(name, THRESHOLDS[name])

    def excludes(self, path: str) -> bool:
        return any(path_matches(path, glob) for glob in self.exclude)

    def guards_by(self, name: str) -> bool:
        """Whether a canonical name is a guard, or what one returns or defines (`app.deps.require.<locals>.check`)."""
        plain = name.removesuffix("()")
        return any(plain == guard or plain.startswith(f"{guard}.") for guard in self.guards)

    def layer_of(self, path: str) -> tuple[str, str]:
        """(layer, folder or file that says so) of a module's path, empty texts when nothing is set for it."""
        for layer, globs in self.layers.items():
            for glob in globs:
                if path_matches(path, glob):
                    return layer, glob.rstrip("/*")
        return "", ""
