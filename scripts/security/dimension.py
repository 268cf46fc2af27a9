"""The dimension that the checks of this package register with."""

from check import Dimension

security = Dimension("SEC", "security", "Security", "SECURITY.md")
