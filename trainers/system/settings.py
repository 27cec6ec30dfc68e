"""What whoever runs a Thaw for others may set, by environment variables.

`THAW_HOSTED=1` asks for a sign-in on every page (`[auth]` in Streamlit's secrets.toml: OpenID
Connect, with `pip install "thaw[hosted]"`), and turns on the limits of the column "hosted".
Without it Thaw is on somebody's own computer: no sign-in, no limits, nothing goes by age. Each
variable holds for either; 0 is: no limit, and never.

| variable | what | hosted | else |
|---|---|---|---|
| THAW_UPLOADS_A_DAY | times that one visitor may add data within 24 hours | 20 | 0 |
| THAW_DISK_MB | what a visitor's data and models may take, in MB | 2000 | 0 |
| THAW_RUNS_AN_HOUR | runs, comparisons and the like that a visitor may start | 60 | 0 |
| THAW_WAITING | jobs of one visitor that may wait at once | 10 | 0 |
| THAW_SECONDS_A_DAY | seconds of training of one visitor within 24 hours | 7200 | 0 |
| THAW_KEEP_MODELS_DAYS | days that the model of a run is kept | 30 | 0 |
| THAW_KEEP_RUNS_DAYS | days that a run is kept: scores, curves | 180 | 0 |
| THAW_KEEP_DATA_DAYS | days that a visitor's own data is kept after it was used last | 60 | 0 |
| THAW_KEEP_GB | what runs, data and computed features may take together, in GB | 50 | 50 |
| THAW_WEIGHTS_GB | what pre-trained models that Thaw downloaded may take, in GB | 20 | 0 |

All numbers are ours.
"""

import os
from typing import NamedTuple


class BadSetting(ValueError):
    """A variable that says nothing usable; the text names it."""


class Setting(NamedTuple):
    variable: str
    hosted_default: float  # 0: no limit
    local_default: float


SETTINGS = {
    "uploads_a_day": Setting("THAW_UPLOADS_A_DAY", 20, 0),
    "disk_mb": Setting("THAW_DISK_MB", 2000, 0),
    "runs_an_hour": Setting("THAW_RUNS_AN_HOUR", 60, 0),
    "waiting": Setting("THAW_WAITING", 10, 0),
    "seconds_a_day": Setting("THAW_SECONDS_A_DAY", 7200, 0),
    "keep_models_days": Setting("THAW_KEEP_MODELS_DAYS", 30, 0),
    "keep_runs_days": Setting("THAW_KEEP_RUNS_DAYS", 180, 0),
    "keep_data_days": Setting("THAW_KEEP_DATA_DAYS", 60, 0),
    "keep_gb": Setting("THAW_KEEP_GB", 50, 50),
    "weights_gb": Setting("THAW_WEIGHTS_GB", 20, 0),
}


def is_hosted() -> bool:
    """Whether people sign in here."""
    return os.environ.get("THAW_HOSTED", "").strip().casefold() in ("1", "true", "yes", "on")


def get_setting(key: str) -> float:
    """What `key` (in SETTINGS) is set to; 0: no limit. Raises `BadSetting`."""
    row = SETTINGS[key]
    given = os.environ.get(row.variable, "").strip()
    if not given:
        return row.hosted_default if is_hosted() else row.local_default
    try:
        value = float(given)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise BadSetting(
            f"{row.variable} is {given!r}. Set it to a number, 0 for no limit, or leave it out."
        )
    return value


def check_settings() -> None:
    """Raises `BadSetting` for the first that is wrong: at the start, not when it is needed."""
    for key in SETTINGS:
        get_setting(key)
