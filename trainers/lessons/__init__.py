"""What the page Learn shows, measured beforehand. Loads no torch: pages read this.

`python -m trainers.lessons.make` writes lessons.json again.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

RESULTS_PATH = Path(__file__).with_name("lessons.json")
PLANE_HALF_WIDTH = 2.3  # the plane that is drawn of the toy goes from -SIDE to SIDE


@cache
def load_lessons() -> dict[str, Any]:
    """Return the results by lesson; make.py says what each contains. Shared: do not change it."""
    return json.loads(RESULTS_PATH.read_text(encoding="utf-8"))
