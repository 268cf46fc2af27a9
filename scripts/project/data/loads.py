"""Which relationships come with the rows of a statement."""

from __future__ import annotations

from dataclasses import dataclass, field

from project.data.models import Model

LOADERS = frozenset("joinedload selectinload subqueryload contains_eager immediateload defaultload noload".split())
NO_LOADERS = frozenset(
    "load_only defer undefer lazyload raiseload with_loader_criteria selectin_polymorphic undefer_group "
    "with_expression Load".split()
)


@dataclass(slots=True)
class Loads:
    """Relationships a statement loads with its rows: (model name or "", relationship). `everything` when unknown."""

    pairs: set[tuple[str, str]] = field(default_factory=set)
    everything: bool = False

    def covers(self, model: Model, relationship: str) -> bool:
        return self.everything or ("", relationship) in self.pairs or (model.name, relationship) in self.pairs
