"""Encryption that protects less than it seems to: switched off by itself, columns left out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from check import BY_NAME, LOW, MEDIUM, Found, Hit
from project import Place, Project
from project.data.models import Model
from project.data.table_parts import Column
from project.serving.ciphers import encrypted_columns, given_back_plain
from security.dimension import security

_KEPT_SECRET = re.compile(
    r"^(\w+_)?((access|refresh|oauth|bot|bearer)_?token|(api|secret|private|signing)_?key|client_secret|webhook_secret"
    r"|smtp_password|api_secret)$",
    re.IGNORECASE,
)
_NOT_PLAIN = re.compile(r"hash|digest|encrypt|cipher|masked|prefix|hint|public|preview|last_?four|_id$", re.IGNORECASE)
_SWITCH = re.compile(r"(^|[^a-z])(enable|use)_|_enabled\b|is_enabled", re.IGNORECASE)
_TEXTS = frozenset(
    "String Text VARCHAR TEXT Unicode UnicodeText LargeString str AutoString CharField TextField".split()
)


@security.check(
    "SEC033",
    "encryption-without-effect",
    title="Encryption that leaves secrets plain",
    impact=MEDIUM,
    anti_pattern=8,
    fix="Refuse to start without a key, and encrypt every secret of the kind.",
)
def encryption_without_effect(project: Project) -> Found:
    """Without its key the function gives the plain text back, and nobody notices.

    Source: cryptography, Fernet, https://cryptography.io/en/latest/fernet/ ; OWASP, Cryptographic Storage Cheat Sheet

    Bad:
        # app/crypto.py
        import os
        from cryptography.fernet import Fernet

        KEY = os.environ.get("ENCRYPTION_KEY", "")

        def encrypt(text: str) -> str:
            if not KEY:
                return text  # SEC033
            return Fernet(KEY).encrypt(text.encode()).decode()
        # app/models.py
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
        from sqlalchemy_utils import StringEncryptedType

        class Base(DeclarativeBase): ...

        class Account(Base):
            __tablename__ = "accounts"
            id: Mapped[int] = mapped_column(primary_key=True)
            api_key: Mapped[str] = mapped_column(StringEncryptedType)
            refresh_token: Mapped[str]  # SEC033
    Good:
        import os
        from cryptography.fernet import Fernet

        KEY = os.environ["ENCRYPTION_KEY"]

        def encrypt(text: str) -> str:
            return Fernet(KEY).encrypt(text.encode()).decode()
    Not this:
        # app/crypto.py
        import os
        from cryptography.fernet import Fernet

        KEY = os.environ["ENCRYPTION_KEY"]

        def encrypt(text: str) -> str:
            if not text or text.startswith("enc:"):
                return text
            return "enc:" + Fernet(KEY).encrypt(text.encode()).decode()
        # app/models.py
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
        from sqlalchemy_utils import StringEncryptedType

        class Base(DeclarativeBase): ...

        class Account(Base):
            __tablename__ = "accounts"
            id: Mapped[int] = mapped_column(primary_key=True)
            api_key: Mapped[str] = mapped_column(StringEncryptedType)
            refresh_token_hash: Mapped[str]
            access_token: Mapped[str] = mapped_column(unique=True)
    """
    for plain in given_back_plain(project):
        when = f"when `{plain.test}`" if plain.test else "when encrypting fails"
        impact = LOW if _SWITCH.search(plain.test) else None
        yield Hit(plain.place, f"{plain.function.name} gives back what it was given, as it is, {when}", (), impact)
    yield from _left_out(project)


def _left_out(project: Project) -> Iterator[Hit]:
    """Columns of secrets in plain text beside encrypted ones."""
    known = encrypted_columns(project)
    if not known:
        return
    example, place = next(iter(known.items()))
    for model in project.models.all:
        places = [column.place for column in model.columns.values() if _is_plain_secret(model, column)]
        names = ", ".join(c.name for c in model.columns.values() if _is_plain_secret(model, c))
        if places:
            message = f"{model.name} keeps {names} as plain text, while {example} is encrypted"
            yield Hit(places[0], message, (_labelled(place),), None, BY_NAME, tuple(places[1:]))


def _is_plain_secret(model: Model, column: Column) -> bool:
    kind = column.type_name.rsplit(".", 1)[-1]
    looked_up = column.unique or column.index or column.primary_key or model.leads_index(column)
    named = _KEPT_SECRET.match(column.name) and not _NOT_PLAIN.search(column.name)
    twin = {f"{column.name}_encrypted", f"encrypted_{column.name}"} & set(model.columns)  # on the way to be encrypted
    return bool(named) and not twin and kind in _TEXTS and not looked_up and column.name in model.own


def _labelled(place: Place) -> Place:
    return Place(place.path, place.line, place.end_line, place.symbol, "an encrypted column")
