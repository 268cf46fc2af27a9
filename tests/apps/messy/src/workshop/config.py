from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="WORKSHOP_", env_file=".env", extra="ignore")

    database_url: str = "sqlite:///workshop.db"
    async_database_url: str = "sqlite+aiosqlite:///workshop.db"
    archive_url: str = "sqlite:///archive.db"
    rate_limit_storage: str = "memory://"


settings = Settings()
