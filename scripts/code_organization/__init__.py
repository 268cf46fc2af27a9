"""Code organization: layers, errors, configuration, application life cycle."""

from code_organization import (
    configuration,
    conversions,
    di_misuse,
    dict_rows,
    error_wording,
    errors,
    fat_routes,
    integrity,
    lifecycle,
    lost_errors,
    process_state,
    remote_errors,
    state,
    structure,
)
from code_organization.dimension import organization

__all__ = [
    "configuration",
    "conversions",
    "di_misuse",
    "dict_rows",
    "error_wording",
    "errors",
    "fat_routes",
    "integrity",
    "lifecycle",
    "lost_errors",
    "organization",
    "process_state",
    "remote_errors",
    "state",
    "structure",
]
