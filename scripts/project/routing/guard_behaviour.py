"""What a function does with a request that carries no credentials, as an answer; guard_flow works it out."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from project.language.scopes import Function


class Known:
    """What is known beside the code of a function: nothing, unless a subclass knows more."""

    def decide(self, test: ast.expr) -> bool | None:
        """Whether a condition holds, None when that is not known."""

    def is_setting(self, test: ast.expr) -> bool | None:
        """Whether a condition is on what configuration gave to an object or closure."""

    def inside(self, method: Function) -> Known | None:
        """What is known in a method of the same object, None when nothing is."""


@dataclass(slots=True)
class Behaviour:
    """What a function does without credentials.

    `refuses`: statuses it may refuse with (0: it fails in another way). `passes`: it returns before it could refuse.
    `sure`: a refusal stands where no other condition is in the way. `reads`: the credentials it reads. `answers`: it
    makes a response with 401 or 403, or redirects. `paths`: it looks at the path of the request. `hands`: it hands
    credentials on; `asks`: to code that was not resolved. `configured`: configuration may make it return early.
    `about_caller`: what decides on a refusal depends on an argument or on something looked up. `fails`: it raises what
    has no known status, where nothing decides that. `denies`: it raises where a missing credential decides. `shows`: it
    gives the request to code that was not found, where callers are made out. `raises`: it always does. `hint`: it gives
    the request to a function named like a guard.
    """

    refuses: set[int] = field(default_factory=set)
    passes: bool = False
    reads: list[str] = field(default_factory=list)
    sure: bool = False
    answers: bool = False
    paths: bool = False
    asks: bool = False
    hands: bool = False
    configured: bool = False
    about_caller: bool = False
    fails: bool = False
    denies: bool = False
    shows: bool = False
    raises: bool = False
    hint: str = ""

    def add(self, part: Behaviour) -> None:
        """What a part of the function does, it does (`passes` and `sure` depend on where the part stands)."""
        self.refuses |= part.refuses
        self.answers |= part.answers
        self.paths |= part.paths
        self.asks |= part.asks
        self.hands |= part.hands
        self.configured |= part.configured
        self.about_caller |= part.about_caller
        self.fails |= part.fails
        self.denies |= part.denies
        self.shows |= part.shows
        self.hint = self.hint or part.hint

    @property
    def stops(self) -> bool:
        return bool(self.refuses) or self.answers
