"""Security: who may call what, secrets, tokens, injection, browser rules."""

from check import Dimension

security = Dimension("SEC", "security", "Security", "SECURITY.md")
