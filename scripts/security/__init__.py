"""Security: who may call what, injection with a way in, secrets, password hashing, tokens, CORS, what leaks."""

from security import access, addresses, fields, injection, objects, passwords, secret_values, settings, tokens
from security.dimension import security

__all__ = [
    "access",
    "addresses",
    "fields",
    "injection",
    "objects",
    "passwords",
    "secret_values",
    "security",
    "settings",
    "tokens",
]
