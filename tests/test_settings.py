"""Settings that the app stands on."""

import tomllib
from pathlib import Path

CONFIG = tomllib.loads((Path(__file__).parents[1] / ".streamlit" / "config.toml").read_text())


def test_no_full_garbage_collection_after_every_poll():
    """It is on by default, and costs 50 ms and more each time (measured)."""
    assert CONFIG["runner"]["postScriptGC"] is False


def test_nothing_is_told_to_the_outside():
    assert CONFIG["browser"]["gatherUsageStats"] is False


def test_the_first_start_asks_nothing_and_shows_no_traceback():
    assert CONFIG["server"]["showEmailPrompt"] is False
    assert CONFIG["client"]["showErrorDetails"] == "none"


def test_there_is_a_light_and_a_dark_theme():
    assert CONFIG["theme"]["light"].keys() == CONFIG["theme"]["dark"].keys()
