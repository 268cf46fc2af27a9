"""Code organization: layers, errors, configuration, application life cycle."""

from check import Dimension

organization = Dimension("ORG", "code_organization", "Code Organization", "CODE_ORGANIZATION.md")
