"""The dimension that the checks of this package register with."""

from check import Dimension

organization = Dimension("ORG", "code_organization", "Code Organization", "CODE_ORGANIZATION.md")
