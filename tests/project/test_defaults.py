"""What expressions are unless the environment says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import make, module

SETTINGS = """
    import json
    import os
    from dataclasses import dataclass, field
    from decouple import Csv, config as read
    from functools import cached_property
    from pydantic import Field, SecretStr
    from pydantic_settings import BaseSettings
    from starlette.config import Config
    from starlette.datastructures import CommaSeparatedStrings, Secret

    config = Config(".env")
    FALLBACK = "fallback"
    MINUTES = 60 * 24 * 8
    TWICE = "a"
    TWICE = "b"
    TEXT = os.getenv("TEXT", "text")
    NESTED = os.environ.get("ONE", os.environ.get("TWO", FALLBACK))
    FLAG = os.getenv("FLAG", "False").lower() in ("true", "1")
    DEBUG = os.getenv("DEBUG", "true") == "true"
    PORT = int(os.getenv("PORT", "8000"))
    LIST = os.getenv("LIST", "a, b").split(",")
    STRIPPED = [item.strip() for item in os.getenv("LIST", "a, b").split(",")]
    JSON = json.loads(os.getenv("JSON", '["*"]'))
    REQUIRED = os.environ["REQUIRED"]
    MAYBE = os.getenv("MAYBE") or "else"
    ALLOWED = config("ALLOWED", cast=CommaSeparatedStrings, default="a,b")
    HIDDEN = config("HIDDEN", cast=Secret, default="hidden")
    SWITCH = read("SWITCH", default=False, cast=bool)
    HOSTS = ["x", *LIST]

    class Base(BaseSettings):
        inherited: str = "inherited"

    class Settings(Base):
        required: str
        plain: str = "plain"
        listed: list[str] = ["*"]
        made: str = Field("made", alias="m")
        factory: list[str] = Field(default_factory=lambda: ["f"])
        secret: SecretStr = SecretStr("s3cret")

        @property
        def together(self) -> list[str]:
            return [str(item).rstrip("/") for item in self.listed] + [self.plain]

    class Plain:
        value = "class"

        def __init__(self):
            self.own = os.getenv("OWN", "own")

    @dataclass
    class Data:
        origins: list[str] = field(default_factory=lambda: ["d"])

    settings = Settings()
    plain = Plain()
    data = Data()

    def local():
        origins = ["local"]
        return origins

    def chosen(flag):
        value = "a"
        if flag:
            value = "b"
        return value
"""


@pytest.mark.parametrize(
    ("expression", "value", "configurable"),
    [
        ("FALLBACK", "fallback", False),
        ("MINUTES", 11520, False),
        ("TEXT", "text", True),
        ("NESTED", "fallback", True),
        ("FLAG", False, True),
        ("DEBUG", True, True),
        ("PORT", 8000, True),
        ("LIST", ["a", " b"], True),
        ("STRIPPED", ["a", "b"], True),
        ("JSON", ["*"], True),
        ("MAYBE", "else", True),
        ("ALLOWED", ["a", "b"], True),
        ("HIDDEN", "hidden", True),
        ("SWITCH", False, True),
        ("HOSTS", ["x", "a", " b"], True),
        ("settings.plain", "plain", True),
        ("settings.inherited", "inherited", True),
        ("settings.listed", ["*"], True),
        ("settings.made", "made", True),
        ("settings.factory", ["f"], True),
        ("settings.secret.get_secret_value()", "s3cret", True),
        ("settings.together", ["*", "plain"], True),
        ("plain.value", "class", False),
        ("plain.own", "own", True),
        ("data.origins", ["d"], False),
    ],
)
def test_known_default(tmp_path: Path, expression: str, value: object, configurable: bool) -> None:
    project = make(tmp_path, {"settings.py": SETTINGS, "use.py": f"from settings import *\n\nused = {expression}\n"})
    use = module(project, "use.py")
    found = project.defaults.of(use.bindings["used"][0].value, use)
    assert found is not None
    assert (found.value, found.configurable) == (value, configurable)
    assert found.place.path == "settings.py"


@pytest.mark.parametrize(
    "expression", ["TWICE", "REQUIRED", "settings.required", "unknown", "settings.nothing", "f(1)"]
)
def test_unknown_default(tmp_path: Path, expression: str) -> None:
    project = make(tmp_path, {"settings.py": SETTINGS, "use.py": f"from settings import *\n\nused = {expression}\n"})
    use = module(project, "use.py")
    assert project.defaults.of(use.bindings["used"][0].value, use) is None


@pytest.mark.parametrize(("name", "value"), [("local", ["local"]), ("chosen", None)])
def test_local_names(tmp_path: Path, name: str, value: object) -> None:
    project = make(tmp_path, {"settings.py": SETTINGS})
    function = next(f for f in module(project, "settings.py").functions if f.name == name)
    returned = function.body[-1].value  # type: ignore[attr-defined]
    found = project.defaults.of(returned, function)
    assert (found.value if found else None) == value
