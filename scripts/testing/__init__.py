"""Testing & quality: tests, type checking, linting and what continuous integration runs."""

from testing import clients, execution, routes, tools
from testing.dimension import testing

__all__ = ["clients", "execution", "routes", "testing", "tools"]
