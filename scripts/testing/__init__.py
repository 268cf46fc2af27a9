"""Testing & quality: tests, type checking, linting and what continuous integration runs."""

from testing.dimension import testing

__all__ = ["testing"]
