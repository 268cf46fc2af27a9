"""All dimensions and checks, in their fixed order."""

from __future__ import annotations

from api_design import api
from async_performance import performance
from check import Check, Dimension
from code_organization import organization
from data_architecture import data
from security import security
from testing import testing

DIMENSIONS: tuple[Dimension, ...] = (api, data, security, performance, organization, testing)
CHECKS: tuple[Check, ...] = tuple(
    check for dimension in DIMENSIONS for check in sorted(dimension.checks, key=lambda check: check.id)
)
