"""API design: routes, request and response models, status codes, documentation of the interface."""

from api_design import deprecated, errors, leftovers, models, pagination, responses, routing, status
from api_design.dimension import api

__all__ = ["api", "deprecated", "errors", "leftovers", "models", "pagination", "responses", "routing", "status"]
