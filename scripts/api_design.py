"""API design: routes, request and response models, status codes, documentation of the interface."""

from check import Dimension

api = Dimension("API", "api_design", "API Design", "API_DESIGN.md")
