"""TOML by the standard library, or by the subset reader where that has none (Python 3.10)."""

import sys

if sys.version_info >= (3, 11):
    from tomllib import loads
else:
    from project.stack.toml_subset import loads

__all__ = ["loads"]
