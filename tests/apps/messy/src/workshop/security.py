import hashlib
from datetime import UTC, datetime, timedelta

import jwt
from pwdlib import PasswordHash

JWT_SECRET = "a-fake-secret-for-the-sample-workshop-only"  # SEC005
pins = PasswordHash.recommended()


def legacy_digest(password: str) -> str:
    return hashlib.md5(password.encode()).hexdigest()  # SEC006


def hash_pin(pin: str) -> str:
    return pins.hash(pin)  # ASY003


def issue_token(mechanic_id: int, role: str) -> str:
    claims = {"sub": str(mechanic_id), "role": role, "exp": datetime.now(UTC) + timedelta(minutes=30)}
    return jwt.encode(claims, JWT_SECRET, algorithm="HS256")


def read_token(token: str) -> dict[str, object]:
    algorithm = jwt.get_unverified_header(token)["alg"]
    return jwt.decode(token, JWT_SECRET, algorithms=[algorithm], options={"require": ["exp"]})  # SEC004
