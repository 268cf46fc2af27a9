"""Security: who may call what, injection with a way in, secrets, password hashing, tokens, CORS, what leaks."""

from security import access, crypto, injection, settings
from security.dimension import security

__all__ = ["access", "crypto", "injection", "security", "settings"]
