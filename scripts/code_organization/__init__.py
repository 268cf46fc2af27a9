"""Code organization: layers, errors, configuration, application life cycle."""

from code_organization import errors, fat_routes, lifecycle, lost_errors, structure
from code_organization.dimension import organization

__all__ = ["errors", "fat_routes", "lifecycle", "lost_errors", "organization", "structure"]
