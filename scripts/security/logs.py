"""Secrets that log lines carry out of the process."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import HIGH, MEDIUM, Found, Hit
from project import Class, Function, Project, Scope
from project.language.command_line import runs_from_command_line
from project.language.value_types import Instance
from security.around import by_file, last_name
from security.dimension import security
from security.secret_values import is_secret_name

LOGS = frozenset("debug info warning warn error exception critical log trace success".split())
LOGGER = re.compile(r"(^|_)log(ger|ging)?$", re.IGNORECASE)
DUMPS = frozenset("dict model_dump json model_dump_json items".split())
TEXTS = frozenset(("builtins.str", "builtins.bytes"))
BOUND = frozenset(("bind", "opt", "patch", "contextualize", "new", "getLogger", "get_logger"))
# A link or code that lets its bearer in: by its own name, or `token` in a function that hands one out.
TAKES_OVER = re.compile(
    r"(^|_)(reset|recovery|forgot(_password)?|verif(y|ication)|confirm(ation)?|activation|invit(e|ation)|magic(_link)?)"
    r"_(token|jwt)$"
)
HANDS_OUT = re.compile(r"forgot|reset_?passw|passw\w*_reset|recover|request_verif|verification_(e?mail|request)", re.I)


@security.check(
    "SEC031",
    "secret-in-log",
    title="Secret written to the log",
    impact=MEDIUM,
    anti_pattern=8,
    fix="Log that it is set; declare it as SecretStr, whose text is asterisks.",
)
def secret_in_log(project: Project) -> Found:
    """Logs are copied, kept and read by many: what stands there is no secret any more.

    Source: OWASP Logging Cheat Sheet, Data to exclude,
    https://cheatsheetseries.owasp.org/cheatsheets/Logging_Cheat_Sheet.html#data-to-exclude

    Bad:
        import logging
        from pydantic_settings import BaseSettings

        logger = logging.getLogger(__name__)

        class Settings(BaseSettings):
            debug: bool = False
            database_password: str

        settings = Settings()

        for key, value in settings.model_dump().items():
            logger.debug(f"{key}: {value}")  # SEC031

        def connect():
            logger.info("connecting with %s", settings.database_password)  # SEC031

        def start():
            logger.info(f"settings: {settings}")  # SEC031

        class Users:
            async def on_after_forgot_password(self, user, token: str, request=None):
                self.logger.info(f"{user.id} asked for a reset: {token}")  # SEC031
    Good:
        import logging
        from pydantic import SecretStr
        from pydantic_settings import BaseSettings

        logger = logging.getLogger(__name__)

        class Settings(BaseSettings):
            database_password: SecretStr

        settings = Settings()

        def start():
            logger.info(f"settings: {settings}, password {settings.database_password}")
    Not this:
        import logging
        from pydantic import BaseModel

        logger = logging.getLogger(__name__)

        class Order(BaseModel):
            name: str

        def connect(api_key: str, password_length: int, order: Order):
            logger.info("key %s, %d characters", "set" if api_key else "missing", password_length)
            logger.info("key ends with %s", api_key[-4:])
            api_key = mask(api_key)
            logger.info(f"key {api_key}, {bool(api_key)}, {order}")

        def count(token: str, reset_token: str, verification_token_length: int):
            logger.info("read %s, %s of %s", token, reset_token is not None, verification_token_length)

        def connect_store(access_key: str, secret_access_key: str):
            logger.info("as %s", access_key)

        def connect_other(secret_key: str):
            _secret_key = secret_key
            if _secret_key:
                _secret_key = _secret_key[:4] + "*" * 12
            logger.debug("key %s", _secret_key)
        # app/cli.py
        import logging

        logger = logging.getLogger(__name__)

        def show(api_key: str):
            logger.info(api_key)
    """
    yield from by_file(_logged(project))


def _logged(project: Project) -> Iterator[Hit]:
    for call, scope in (written for name in sorted(LOGS) for written in project.spelled.written(name)):
        if _is_log(call):
            parts = list(_parts(call))
            what = next((w for part in parts if (w := _secret(project, part, scope))), "")
            token = next((w for part in parts if (w := _lets_in(project, part, scope))), "")
            if (what or token) and not runs_from_command_line(project, scope):
                message = f"{token}, which lets its reader take the account, goes" if token else f"{what} goes"
                yield Hit(scope.place(call), f"{message} to the log in plain", impact=HIGH if token else None)


def _is_log(call: ast.Call) -> bool:
    """Whether a method of a logger is called, also of one with more context: `logger.bind(...).info(...)`."""
    if not isinstance(call.func, ast.Attribute):
        return False
    logger = call.func.value
    while isinstance(logger, ast.Call) and last_name(logger.func) in BOUND:
        if not isinstance(logger.func, ast.Attribute) or last_name(logger.func) in ("getLogger", "get_logger"):
            return True
        logger = logger.func.value
    return bool(LOGGER.search(last_name(logger)))


def _lets_in(project: Project, part: ast.expr, scope: Scope) -> str:
    """A token that resets a password or confirms an address, written whole; "" for anything else."""
    if not isinstance(part, (ast.Name, ast.Attribute)):
        return ""
    name = last_name(part)
    given = isinstance(part, ast.Name) and isinstance(scope, Function) and scope.param(name) is not None
    if not (TAKES_OVER.search(name) or (given and name == "token" and HANDS_OUT.search(scope.name))):
        return ""
    values = [v for v in project.values.of(part, scope) if isinstance(v, Instance)]
    return ast.unparse(part) if all(v.dotted in TEXTS for v in values) else ""


def _parts(call: ast.Call) -> Iterator[ast.expr]:
    """What is written: arguments, and what is put into their text."""
    waiting = [*call.args, *(k.value for k in call.keywords if k.arg)]
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, ast.JoinedStr):
            waiting += [v.value for v in part.values if isinstance(v, ast.FormattedValue)]
        elif isinstance(part, ast.BinOp):
            waiting += [part.left, part.right]
        elif isinstance(part, ast.Tuple):
            waiting += part.elts
        elif isinstance(part, ast.Call) and last_name(part.func) == "format":
            waiting += [*part.args, *(k.value for k in part.keywords)]
        else:
            yield part


def _secret(project: Project, part: ast.expr, scope: Scope) -> str:
    """What is secret in a value that is written, "" for nothing."""
    if isinstance(part, ast.Name):
        held = [b for b in scope.bindings.get(part.id, []) if b.value is not None]
        looped = next((b.value for b in held if b.kind == "for"), None)
        if looped is not None:
            return _dumped(project, looped, scope)
        if any(b.kind == "assign" and not isinstance(b.value, (ast.Name, ast.Attribute)) for b in held):
            return ""
    if isinstance(part, (ast.Name, ast.Attribute)) and is_secret_name(last_name(part)):
        values = [v for v in project.values.of(part, scope) if isinstance(v, Instance)]
        return ast.unparse(part) if all(v.dotted in TEXTS for v in values) else ""
    return _dumped(project, part, scope)


def _dumped(project: Project, expr: ast.expr, scope: Scope) -> str:
    """Settings written whole, with the fields among them that are secret and not masked by their type."""
    while isinstance(expr, ast.Call) and isinstance(expr.func, ast.Attribute) and expr.func.attr in DUMPS:
        if any(k.arg in ("include", "exclude") for k in expr.keywords):
            return ""
        expr = expr.func.value
    for value in project.values.of(expr, scope) if isinstance(expr, (ast.Name, ast.Attribute)) else ():
        cls = value.cls if isinstance(value, Instance) else None
        schema = project.schemas.of(cls) if isinstance(cls, Class) else None
        if schema is not None and schema.is_settings:
            fields = project.schemas.fields_of(schema.cls).items()
            plain = [name for name, f in fields if is_secret_name(name) and _is_text(project, f.annotation, f.owner)]
            if plain:
                return f"{ast.unparse(expr)} with {plain[0]}"
    return ""


def _is_text(project: Project, annotation: ast.expr | None, owner: Class) -> bool:
    return any(option.dotted in TEXTS for option in project.shapes.of(annotation, owner).options)
