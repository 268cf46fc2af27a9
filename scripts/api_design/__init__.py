"""API design: routes, request and response models, status codes, documentation of the interface."""

from api_design import deprecated, leftovers, models, pagination, responses, routing
from api_design.dimension import api

__all__ = ["api", "deprecated", "leftovers", "models", "pagination", "responses", "routing"]
