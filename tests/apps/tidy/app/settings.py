from functools import lru_cache
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from the environment once; a missing secret stops the start."""

    model_config = SettingsConfigDict(env_prefix="LIBRARY_", env_file=".env", extra="ignore", frozen=True)

    database_url: SecretStr
    token_key: Annotated[SecretStr, Field(min_length=32)]
    token_minutes: Annotated[int, Field(ge=5, le=60)] = 30
    cors_origins: list[str]
    rate_limit_storage: str
    login_limit: str = "5/minute"
    metadata_url: str
    mail_url: str
    docs_enabled: bool = False
    debug: bool = False
    loan_days: Annotated[int, Field(ge=1, le=90)] = 21


@lru_cache
def get_settings() -> Settings:
    return Settings()
