"""Testing & quality: tests, type checking, linting and what continuous integration runs."""

from check import Dimension

testing = Dimension("TST", "testing", "Testing & Quality", "TESTING.md")
