"""Thaw's settings: environment variables, read whenever they are asked for.

`python -m trainers.system.settings` prints them as the table in .github/docs/settings.md.
"""

import logging
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

NO_LIMIT_ALLOWED = "a number, 0 for no limit"


class BadSetting(ValueError):
    """An unusable value. The text names the variable, its value and what is allowed."""


def _setting(
    variable: str, description: str, default: Any, *, allowed: str = "", **more: Any
) -> Any:
    """Declare the setting `variable`.

    allowed: what it can be set to, for the error message
    old: its former name, which still works
    or_variable: another name for it, for settings that belong to other libraries
    shown: the default in the table, where it is computed
    """
    old, other = more.pop("old", ""), more.pop("or_variable", "")
    extra = {"allowed": allowed, "old": old, "shown": more.pop("shown", None)}
    names = [name for name in (variable, old, other) if name]
    return Field(
        default,
        description=description,
        validation_alias=AliasChoices(*names),
        json_schema_extra=extra,
        **more,
    )


def _limit(
    variable: str, description: str, *, hosted: float, local: float = 0, old: str = ""
) -> Any:
    """Declare a limit whose default depends on `THAW_HOSTED`; 0 means no limit."""
    field = _setting(
        variable, description, None, allowed=NO_LIMIT_ALLOWED, old=old, ge=0, allow_inf_nan=False
    )
    field.json_schema_extra |= {"hosted": hosted, "local": local}
    return field


class Settings(BaseSettings):
    """Every environment variable that Thaw reads. An empty variable counts as not set."""

    model_config = SettingsConfigDict(
        frozen=True, case_sensitive=True, extra="ignore", validate_default=False
    )

    # Where things are kept
    home: Path | None = _setting(
        "THAW_HOME",
        "folder of runs, models and uploaded data",
        None,
        shown="the platform's user data folder",
    )
    database_url: str = _setting(
        "THAW_DATABASE_URL",
        "database of runs, such as `postgresql://user:password@host/thaw`",
        "",
        shown="SQLite in `THAW_HOME`",
    )
    artifact_url: str = _setting(
        "THAW_ARTIFACT_URL",
        "where several app servers share models and data: any address of fsspec, such as "
        "`s3://bucket/thaw`",
        "",
        old="THAW_ARTIFACTS",
    )

    # Who trains
    workers: int | None = _setting(
        "THAW_WORKERS",
        "training processes",
        None,
        allowed="a whole number",
        ge=0,
        shown="one for every two cores",
    )
    worker_memory_gb: float | None = _setting(
        "THAW_WORKER_MEMORY_GB",
        "memory that one training process may take, in GB; 0: no limit",
        None,
        allowed=NO_LIMIT_ALLOWED,
        old="THAW_WORKER_GB",
        ge=0,
        allow_inf_nan=False,
        shown="nine tenths of the computer's",
    )
    executor: Literal["local", "ray"] = _setting(
        "THAW_EXECUTOR",
        "`local`: this computer trains; `ray`: a Ray cluster does",
        "local",
        allowed="local for this computer, or to ray for a Ray cluster",
        old="THAW_ENGINE",
    )
    ray_address: str = _setting(
        "RAY_ADDRESS",
        "the Ray cluster to join, such as `10.0.0.5:6379`; this computer must be one of its nodes",
        "",
        shown="a cluster on this computer",
    )
    ray_cpus: float = _setting(
        "THAW_RAY_CPUS",
        "CPU cores that a run reserves; fewer where no node has as many",
        2.0,
        allowed="a number",
        ge=0,
        lt=1000,
    )
    ray_gpus: float = _setting(
        "THAW_RAY_GPUS",
        "GPUs that a run reserves where the cluster has any, such as 0.5",
        1.0,
        allowed="a number",
        ge=0,
        lt=1000,
    )

    # Other people on this server
    hosted: bool = _setting(
        "THAW_HOSTED",
        "1: visitors sign in, and the limits below hold. Needs `[auth]` in Streamlit's "
        "`secrets.toml` (OpenID Connect) and the extra `hosted`",
        False,
        allowed="1 or 0",
    )
    uploads_per_day: float = _limit(
        "THAW_UPLOADS_PER_DAY", "uploads of one visitor in 24 hours", hosted=20,
        old="THAW_UPLOADS_A_DAY",
    )  # fmt: skip
    disk_mb: float = _limit("THAW_DISK_MB", "data and models of one visitor, in MB", hosted=2000)
    runs_per_hour: float = _limit(
        "THAW_RUNS_PER_HOUR", "runs, comparisons and the like of one visitor in an hour",
        hosted=60, old="THAW_RUNS_AN_HOUR",
    )  # fmt: skip
    max_queued_jobs: float = _limit(
        "THAW_MAX_QUEUED_JOBS", "queued jobs of one visitor", hosted=10, old="THAW_WAITING"
    )
    training_seconds_per_day: float = _limit(
        "THAW_TRAINING_SECONDS_PER_DAY", "seconds of training of one visitor in 24 hours",
        hosted=7200, old="THAW_SECONDS_A_DAY",
    )  # fmt: skip
    keep_models_days: float = _limit(
        "THAW_KEEP_MODELS_DAYS", "days until the model of a run is deleted", hosted=30
    )
    keep_runs_days: float = _limit(
        "THAW_KEEP_RUNS_DAYS", "days until a run is deleted, with its scores and curves", hosted=180
    )
    keep_data_days: float = _limit(
        "THAW_KEEP_DATA_DAYS",
        "days until uploaded data is deleted, counted from its last use",
        hosted=60,
    )
    storage_limit_gb: float = _limit(
        "THAW_STORAGE_LIMIT_GB", "runs, data and cached features of all visitors together, in GB",
        hosted=50, local=50, old="THAW_KEEP_GB",
    )  # fmt: skip
    weights_limit_gb: float = _limit(
        "THAW_WEIGHTS_LIMIT_GB", "downloaded backbones, in GB", hosted=20, old="THAW_WEIGHTS_GB"
    )

    # Settings of other libraries
    mlflow_tracking_uri: str = _setting(
        "MLFLOW_TRACKING_URI", "MLflow server that finished runs are logged to (extra `mlflow`)", ""
    )
    torch_home: Path | None = _setting(
        "TORCH_HOME", "folder of torchvision's weights", None, shown="`~/.cache/torch`"
    )
    hf_home: Path | None = _setting(
        "HF_HOME", "folder of Hugging Face", None, shown="`~/.cache/huggingface`"
    )
    hf_hub_cache: str = _setting(
        "HF_HUB_CACHE",
        "folder of Hugging Face's models",
        "",
        or_variable="HUGGINGFACE_HUB_CACHE",
        shown="`hub` in `HF_HOME`",
    )
    hf_endpoint: str = _setting(
        "HF_ENDPOINT", "Hugging Face's address", "", shown="`https://huggingface.co`"
    )
    xdg_cache_home: Path | None = _setting(
        "XDG_CACHE_HOME", "folder of caches", None, shown="`~/.cache`"
    )

    # Development
    test_data: Path | None = _setting(
        "THAW_TEST_DATA", "folder of public data sets that tests and `thaw bench` use", None
    )

    @field_validator("*", mode="before")
    @classmethod
    def _strip(cls, value: Any) -> Any:
        return value.strip() if isinstance(value, str) else value

    @field_validator("executor", mode="before")
    @classmethod
    def _lower_case(cls, value: str) -> str:
        return value.casefold()

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value
            for name, value in values.items()
            if not (isinstance(value, str) and not value.strip())
        }

    @model_validator(mode="after")
    def _fill_limits(self) -> Self:
        for name, field in type(self).model_fields.items():
            extra = field.json_schema_extra
            if "local" in extra and getattr(self, name) is None:
                default = extra["hosted" if self.hosted else "local"]
                object.__setattr__(self, name, float(default))  # the model is frozen
        return self


def variables_of(name: str) -> list[str]:
    """Return the environment variables of the setting `name`, the current name first."""
    return list(Settings.model_fields[name].validation_alias.choices)


LIMITS = tuple(
    name for name, field in Settings.model_fields.items() if "local" in field.json_schema_extra
)
_FIELD_BY_VARIABLE = {
    variable: name for name in Settings.model_fields for variable in variables_of(name)
}
_OLD_VARIABLES = {
    field.json_schema_extra["old"]: variables_of(name)[0]
    for name, field in Settings.model_fields.items()
    if field.json_schema_extra["old"]
}


def get_settings() -> Settings:
    """Return the settings of the environment as it is now. Raises `BadSetting`."""
    return _read_settings(tuple(os.environ.get(variable) for variable in _FIELD_BY_VARIABLE))


def is_hosted() -> bool:
    """Return whether visitors sign in on this server."""
    return get_settings().hosted


@lru_cache(maxsize=16)
def _read_settings(_environment: tuple[str | None, ...]) -> Settings:
    for variable in _OLD_VARIABLES:
        if os.environ.get(variable):
            _warn_once(variable)
    try:
        return Settings()
    except ValidationError as error:
        raise BadSetting(_describe(error)) from None


@lru_cache
def _warn_once(old: str) -> None:
    logging.getLogger("thaw").warning(
        "%s is now called %s. The old name still works.", old, _OLD_VARIABLES[old]
    )


def _describe(error: ValidationError) -> str:
    """Return one line about the first bad variable."""
    name = _FIELD_BY_VARIABLE.get(label := str(error.errors()[0]["loc"][0]), label)
    variable = next(v for v in variables_of(name) if os.environ.get(v, "").strip())
    allowed = Settings.model_fields[name].json_schema_extra["allowed"]
    return f"{variable} is {os.environ[variable]!r}. Set it to {allowed}, or leave it out."


def format_table() -> str:
    """Return all settings as Markdown, for .github/docs/settings.md."""
    lines = [
        "| variable | what it sets | default | with `THAW_HOSTED=1` |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        variable, description = variables_of(name)[0], field.description
        default, hosted = _format_defaults(field)
        lines.append(f"| `{variable}` | {description} | {default} | {hosted} |")
    old = ", ".join(f"`{old}` ({new})" for old, new in _OLD_VARIABLES.items())
    return "\n".join([*lines, "", f"Old names that still work: {old}."])


def _format_defaults(field: FieldInfo) -> tuple[str, str]:
    extra = field.json_schema_extra
    if "local" in extra:
        local = f"{extra['local']:g}" if extra["local"] else "no limit"
        return local, f"{extra['hosted']:g}"
    default = field.default
    text = f"{default:g}" if isinstance(default, float | bool) else str(default or "")
    return extra["shown"] or text, ""


if __name__ == "__main__":
    print(format_table())
