"""Phrases and hops that the messages of several checks share."""

from __future__ import annotations

import re
from collections.abc import Sequence

from project import Function, Place, Project, Scope
from project.data.models import Model
from project.serving.roots import Root

# Models whose tables stay small, by their names, and what makes such a table grow with the users.
_FEW_ROWS = re.compile(
    r"(Type|Status|State|Priority|Severity|Category|Role|Kind|Level|Project|Organi[sz]ation|Tenant|Workspace|Company"
    r"|Country|Currency|Language|Environment|Settings?|Provider|Permission|Tool|Group|Team|Department|Plan|Feature|Flag"
    r"|Policy|Rule|Template|Integration|Webhook|Quota|Limit|Plugin|Secret|Domain|License|Menu|Theme|Invitation|Mirror"
    r"|Channel|Collection|Connection|Folder|Tag|Label|Workflow|Database|Vector_?db|Invite)s?(DB|V?\d+|Model|Schema|Table|Entity|ORM|DBE)*$"
)
_FOR_EACH_USER = re.compile(r"User|Member|Link|Assoc|Map", re.IGNORECASE)
_ADMIN_PATH = re.compile(r"\S* \S*/admin\b")


def has_few_rows(project: Project, model: Model) -> bool:
    """Whether a table stays small, by the name of its model or by what adds rows to it."""
    return _is_small_by_name(model) or project.growth.is_small(model)


def _is_small_by_name(model: Model) -> bool:
    return _FEW_ROWS.search(model.name) is not None and _FOR_EACH_USER.search(model.name) is None


def is_for_admins(project: Project, root: Root) -> bool:
    """Whether a route serves those who run the application, by its path (`GET /admin/tasks`) or its guards: seldom."""
    return is_admin_path(root) or (root.kind == "handler" and project.guard_matrix.handles_admins_only(root.function))


def is_admin_path(root: Root) -> bool:
    """Whether a route stands below `/admin`."""
    return root.kind == "handler" and _ADMIN_PATH.match(root.label) is not None


def joined(names: Sequence[str], most: int = 4) -> str:
    """`a, b and c`; what is beyond `most` is counted."""
    shown = list(names[:most])
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 column`, `3 columns`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def entry_hop(project: Project, calls: Sequence[Place], scope: Scope) -> tuple[Place, ...]:
    """The route or other root from which rows pass through these calls to a scope: that of the outermost caller."""
    called = {place.label for place in calls}
    callers = [f for place in calls if (f := _function_at(project, place)) is not None]
    outermost = next((f for f in callers if f"calls {f.qualname}" not in called), scope)
    function = project.requests.within(outermost)
    return () if function is None else (project.requests.root(function).place(),)


def _function_at(project: Project, place: Place) -> Function | None:
    """The innermost function in which a place stands."""
    module = project.module(place.path)
    around = [f for f in module.functions if f.node.lineno <= place.line <= (f.node.end_lineno or 0)] if module else []
    return max(around, key=lambda f: f.node.lineno, default=None)


def request_hop(project: Project, scope: Scope) -> tuple[Place, ...]:
    """The route or other root from which a scope is reached, as the first hop of a trace."""
    function = project.requests.within(scope)
    return (
        ()
        if function is None or project.requests.root(function).function is function
        else (project.requests.root(function).place(),)
    )
