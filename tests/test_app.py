"""The app that cannot start says why in words, and leaves nothing behind."""

import os

import pytest

import app


@pytest.mark.parametrize(
    ("variable", "value"),
    [("THAW_ENGINE", "spark"), *(("THAW_WORKERS", value) for value in ("x", "-1", "1.5"))],
)
def test_a_wrong_setting_is_said_in_one_line(variable, value, monkeypatch, capsys):
    def ends(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", ends)
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit, match="2"):
        app.lifespan(None).__aenter__().send(None)  # it waits for nothing before
    assert f"Thaw cannot start. {variable} is '{value}'. Set it to" in capsys.readouterr().err
