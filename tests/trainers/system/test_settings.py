"""Settings: environment variables, their defaults, their old names and what is wrong with them."""

import pytest

from trainers.system import settings
from trainers.system.settings import (
    LIMITS,
    BadSetting,
    Settings,
    format_table,
    get_settings,
    variables_of,
)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in Settings.model_fields:
        for variable in variables_of(name):
            if variable != "THAW_HOME":
                monkeypatch.delenv(variable, raising=False)
    settings._warn_once.cache_clear()


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_depends_on_hosting_until_it_is_set(name, monkeypatch):
    variable, extra = variables_of(name)[0], Settings.model_fields[name].json_schema_extra
    assert getattr(get_settings(), name) == extra["local"]
    monkeypatch.setenv("THAW_HOSTED", "1")
    assert getattr(get_settings(), name) == extra["hosted"] > 0
    for value in ("1.5", "0"):
        monkeypatch.setenv(variable, value)
        assert getattr(get_settings(), name) == float(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in LIMITS for value in ("many", "-1", "nan", "inf")),
        *(("workers", value) for value in ("x", "-1", "1.5")),
        ("worker_memory_gb", "-1"),
        ("executor", "spark"),
        ("hosted", "perhaps"),
        ("ray_cpus", "1000"),
        ("ray_gpus", "many"),
    ],
)
def test_an_unusable_value_is_named_with_what_is_allowed(name, value, monkeypatch):
    for variable in variables_of(name):
        with monkeypatch.context() as patch:
            patch.setenv(variable, value)
            with pytest.raises(BadSetting, match=rf"^{variable} is '{value}'\. Set it to .+\.$"):
                get_settings()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_an_empty_variable_counts_as_not_set(name, monkeypatch):
    default = get_settings()
    for variable in variables_of(name):
        if variable != "THAW_HOME":
            monkeypatch.setenv(variable, "  ")
    assert get_settings() == default


def test_settings_are_read_again_when_the_environment_changes(monkeypatch):
    for workers in (1, 2):
        monkeypatch.setenv("THAW_WORKERS", str(workers))
        assert get_settings().workers == workers


@pytest.mark.parametrize(
    "name", [n for n, f in Settings.model_fields.items() if f.json_schema_extra["old"]]
)
def test_an_old_name_still_works_and_is_mentioned_once(name, monkeypatch, caplog):
    new, old = variables_of(name)
    value = "ray" if name == "executor" else "7"
    monkeypatch.setenv(old, value)
    get_settings()
    assert str(getattr(get_settings(), name)).removesuffix(".0") == value
    monkeypatch.setenv("THAW_WORKERS", "3")
    get_settings()
    (line,) = caplog.messages
    assert old in line
    assert new in line
    monkeypatch.setenv(new, value.replace("7", "8"))
    assert str(getattr(get_settings(), name)).removesuffix(".0") == value.replace("7", "8")


def test_the_table_in_the_docs_is_written_from_the_settings(root):
    assert format_table() in (root / ".github/docs/settings.md").read_text("utf-8")
