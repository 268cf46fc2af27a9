"""What may be printed of text that holds secrets of the reviewed project: every secret is masked, in every output."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise

KNOWN_FORM = re.compile(
    r"\b(?:sk_(?:live|test)_[0-9a-zA-Z]{10,}|rk_live_[0-9a-zA-Z]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[0-9a-zA-Z]{30,}|"
    r"github_pat_\w{20,}|glpat-[\w-]{20,}|xox[abposr]-[0-9a-zA-Z-]{10,}|AIza[0-9A-Za-z_-]{35}|sk-[\w-]{20,}|"
    r"hf_[a-zA-Z]{30,}|npm_[0-9a-zA-Z]{36}|SG\.[\w-]{16,}\.[\w-]{16,}|09d25e094faa6ca2556c\w*|"
    r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})"
)
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\\rn\s]+[A-Za-z0-9+/=]{24}")
ADDRESS = re.compile(r"(?P<start>[a-z][a-z0-9+.]*://[^/\s:@\"'{}$]*:)(?P<password>[^@/\s\"'{}$…]+)(?=@)", re.IGNORECASE)
_KEY_BODY = re.compile(
    r"(?m)^(?P<start>[\s\"']*)(?P<body>(?=.*[a-z])(?=.*[A-Z])[A-Za-z0-9+/]{40,}={0,2})(?=[\s\"',\\n]*$)"
)
SECRET_WORD = re.compile(
    r"secret|passw|passphrase|\bpwd|_pwd|_pass\b|token|api[_-]?key|\bauth\s*=|authorization|(?:private|access|auth|signing|encryption|master|jwt)_?key|"
    r"credential|\bdsn|salt|\bjwt\b|fernet|hmac|signer|serializer",
    re.IGNORECASE,
)
_LITERAL = re.compile(r"(?P<quote>\"\"\"|'''|\"|')(?P<text>(?:\\.|(?!(?P=quote)).)*)(?P<end>(?P=quote)|$)")
_NAME_OF_SECRET = re.compile(r"[A-Z][A-Z0-9_]*|/?[A-Za-z][A-Za-z_/.:-]*|.{0,3}")
_GIVEN = re.compile(
    r"(?:(?:secret|passw\w*|pwd|pass|api_?key|_key|token|credentials?)[\"']?\]?\s*(?::[^=:]*)?=|"
    r"(?:getenv|environ\.get|config|Config|Field|encode|decode|env|str)\(.*,)\s*(?:default\s*=)?\s*[rbfu]*\(?\s*$",
    re.IGNORECASE,
)
_UNQUOTED = re.compile(
    r"([\w.-]*(?:secret|passw|token|_key|apikey|_pwd|_pass)[\w.-]*\s*[=:]\s*)([^\s\"'#$][^\s\"'#]*)", re.IGNORECASE
)
_PLAIN = r"[^\s&;,\"'{}$<>%()]"
_INSIDE = re.compile(
    rf"((?:api[_-]?key|token|secret|passw(?:or)?d|pwd|signature)=)((?={_PLAIN}*\d){_PLAIN}{{6,}})", re.IGNORECASE
)
_WORD = re.compile(r"[A-Za-z0-9+=]{24,}")


def masked(secret: str) -> str:
    """The first two characters of a secret that has more than seven, and an ellipsis."""
    return f"{secret[:2]}…" if len(secret) > 7 else "…"


@lru_cache(maxsize=10_000)  # places and labels come again and again
def without_secrets(text: str, known: tuple[str, ...] = (), python: bool = True) -> str:
    """A line of source or a message in which every secret is masked.

    `known` are secrets that were found in it. When one does not stand there as it is (escaped, put together), every
    literal is masked. `python`: values stand in quotes; else `NAME=value` and `name: value` are values as well.
    """
    for secret in known:
        if secret and secret in text:
            text = text.replace(secret, masked(secret))
        elif secret:
            text = _LITERAL.sub(_whole, text)
    text = KNOWN_FORM.sub(lambda m: masked(m[0]), text)
    text = ADDRESS.sub(lambda m: m["start"] + masked(m["password"]), text)
    text = _KEY_BODY.sub(lambda m: m["start"] + masked(m["body"]), text)
    text = _WORD.sub(lambda m: masked(m[0]) if looks_random(m[0]) else m[0], text)
    if SECRET_WORD.search(text):
        text = _LITERAL.sub(_inside, text)
        text = _LITERAL.sub(_named, text)
        if not python:
            text = _UNQUOTED.sub(lambda m: m[1] + masked(m[2]), text)
    return text


def looks_random(text: str) -> bool:
    """Whether a word is a key rather than a name: letters and digits mixed without a pattern."""
    if len(text) < 12 or not (any(c.isdigit() for c in text) and any(c.isalpha() for c in text)):
        return False
    pairs = [(a, b) for a, b in pairwise(text) if a.isalnum() and b.isalnum()]
    changes = sum(a.isdigit() != b.isdigit() for a, b in pairs)
    return entropy(text) > 3.0 and changes * 7 >= len(text)


def entropy(text: str) -> float:
    """Bits a character."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def _whole(literal: re.Match[str]) -> str:
    return literal["quote"] + masked(literal["text"]) + literal["end"]


def _inside(literal: re.Match[str]) -> str:
    """Values in the text of a literal: `?api_key=...`, `password=...`."""
    inner = _INSIDE.sub(lambda m: m[1] + masked(m[2]), literal["text"])
    return f"{literal['quote']}{inner}{literal['end']}"


def _named(literal: re.Match[str]) -> str:
    """A literal on a line that speaks of secrets: kept when it is prose or a name and nothing is given that value."""
    text = literal["text"]
    before = literal.string[: literal.start()]
    if any(c in text for c in " {}<>…") or not text:
        return literal[0]
    if _NAME_OF_SECRET.fullmatch(text) and not (_GIVEN.search(before) and not text.isupper()):
        return literal[0]
    return _whole(literal)
