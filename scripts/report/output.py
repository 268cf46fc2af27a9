"""What an output of the signals is made of, and the formats there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from baseline import Comparison
from check import Check, Outcome, Signal
from project import Project


@dataclass(frozen=True, slots=True)
class Output:
    """A run to print. `target` is the reviewed path as typed, with a leading space, or nothing.

    `prefix` stands before every path in formats that other programs read, "" or a folder with a slash behind it;
    `limit` and `offset` page through text and Markdown.
    """

    project: Project
    outcome: Outcome
    checks: tuple[Check, ...]
    target: str = ""
    prefix: str = ""
    limit: int | None = None
    offset: int = 0
    comparison: Comparison | None = None

    @property
    def reported(self) -> list[Signal]:
        """The signals that count: with a baseline only the new ones."""
        if self.comparison is None:
            return self.outcome.signals
        return [signal for signal in self.outcome.signals if signal.id in self.comparison.new]


Format = Callable[[Output], str]
