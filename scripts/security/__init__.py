"""Security: who may call what, injection with a way in, secrets, password hashing, tokens, CORS, what leaks."""

from security import (
    access,
    addresses,
    browsers,
    conditions,
    fields,
    injection,
    inputs,
    leaks,
    limits,
    logs,
    objects,
    passwords,
    schemes,
    secret_values,
    switches,
    tokens,
)
from security.dimension import security

__all__ = [
    "access",
    "addresses",
    "browsers",
    "conditions",
    "fields",
    "injection",
    "inputs",
    "leaks",
    "limits",
    "logs",
    "objects",
    "passwords",
    "schemes",
    "secret_values",
    "security",
    "switches",
    "tokens",
]
