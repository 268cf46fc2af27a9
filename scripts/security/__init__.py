"""Security: who may call what, injection with a way in, secrets, password hashing, tokens, CORS, what leaks."""

from security import access, addresses, crypto, injection, settings
from security.dimension import security

__all__ = ["access", "addresses", "crypto", "injection", "security", "settings"]
