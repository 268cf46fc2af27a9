"""API design: routes, request and response models, status codes, documentation of the interface."""

from api_design import (
    deprecated,
    document,
    errors,
    examples,
    inputs,
    leftovers,
    models,
    naming,
    nulls,
    operations,
    page_sizes,
    pagination,
    responses,
    returned_errors,
    routing,
    status,
    validation,
)
from api_design.dimension import api

__all__ = [
    "api",
    "deprecated",
    "document",
    "errors",
    "examples",
    "inputs",
    "leftovers",
    "models",
    "naming",
    "nulls",
    "operations",
    "page_sizes",
    "pagination",
    "responses",
    "returned_errors",
    "routing",
    "status",
    "validation",
]
