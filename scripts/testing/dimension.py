"""The dimension that the checks of this package register with."""

from check import Dimension

testing = Dimension("TST", "testing", "Testing & Quality", "TESTING.md")
