"""What the page Learn shows, measured beforehand. Light: pages read this.

`python -m trainers.lessons.make` makes lessons.json anew.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

RESULTS_PATH = Path(__file__).with_name("lessons.json")
PLANE_HALF_WIDTH = 2.3  # the plane that is drawn of the toy goes from -SIDE to SIDE


@cache
def load_lessons() -> dict[str, Any]:
    """The results by lesson; what each holds is said in make.py. Shared: do not change it."""
    return json.loads(RESULTS_PATH.read_text(encoding="utf-8"))
