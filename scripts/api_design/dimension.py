"""The dimension that the checks of this package register with."""

from __future__ import annotations

from check import Dimension

api = Dimension("API", "api_design", "API Design", "API_DESIGN.md")
