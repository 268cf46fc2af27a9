"""API design: routes, request and response models, status codes, documentation of the interface."""

from api_design import leftovers
from api_design.dimension import api

__all__ = ["api", "leftovers"]
