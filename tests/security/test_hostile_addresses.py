"""An address is whatever somebody made of it: no parameter of any page does more than it says."""

import ast
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from guide import QUESTIONS
from trainers.store import get_store

FRAME = Path(__file__).parents[2] / "pages" / "frame.py"
ANN = "ann-of-these-tests-00"
# Every parameter that a page reads: those that name a thing by its key, each for itself, and those
# that fill something in, all at once. `test_no_parameter_is_left_out` holds that none is missing.
CASES = [
    ("guide.py", [*QUESTIONS]),
    ("data.py", ["data"]),
    ("data.py", ["reading"]),
    ("run.py", ["run"]),
    ("run.py", ["shared"]),
    ("run.py", ["approach", "data", "backbone", "per_class", "seconds", "seed", "what_learns",
                "mends", "answers", "section"]),
    ("compare.py", ["compare"]),
    ("compare.py", ["shared"]),
    ("runs.py", ["runs"]),
    ("room.py", ["room", "lead", "wall"]),
    ("learn.py", ["topic", "claim", "way"]),
]  # fmt: skip
VALUES = {
    "a path up": "../../../../etc/passwd",
    "a path of Windows": "C:\\windows\\win.ini",
    "own data up": "own-../../../etc/passwd",
    "a hub's name up": "hf:../../../etc/passwd@x",
    "long": "A" * 20_000,
    "zero": "a\x00b",
    "zero alone": "\x00",
    "unicode": "٣\u202e😀\ud7ff\ufffe",
    "SQL": "' OR 1=1; DROP TABLE runs; --",
    "markup": "<img src=x onerror=alert(1)> ![x](http://x.example/y) :red[z] $x$",
    "JSON and templates": '{"a": [1, {"b": null}]} {{7*7}} ${7*7} %s',
    "a number": "-99999999999999999999",
    "a longer number": "1" + "0" * 400,
    "no number": "NaN",
    "several": ["", "../x"],  # ?run=&run=../x
}
TOLD = {  # what a page says where it was asked for something by its key
    ("run.py", "run"): "There is no such run",
    ("run.py", "shared"): "This link leads nowhere",
    ("compare.py", "compare"): "There is no such run",
    ("compare.py", "shared"): "This link leads nowhere",
    ("data.py", "data"): "No (sample|data) ['\"]",
    ("data.py", "reading"): "Your own data",
    ("runs.py", "runs"): "cannot be shown",
    # Guesses of a code and of a key are counted together: after ten there is a wait.
    ("room.py", "room"): "wrong codes were tried",
}


@pytest.fixture
def opened():
    """Opens a page with an address, in one session."""
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = ANN
    at.run()
    there = []

    def page(where: str, **query) -> AppTest:
        at.query_params.clear()
        for name, value in query.items():
            at.query_params[name] = value
        if there != [where]:
            there[:] = [where]
            at.switch_page(where)
        return at.run()

    return page


def words(at) -> str:
    kinds = ("title", "markdown", "caption", "warning", "error", "info", "success")
    return "\n".join(element.value for kind in kinds for element in getattr(at, kind))


@pytest.mark.parametrize(("where", "names"), CASES, ids=lambda part: str(part)[:40])
def test_no_value_breaks_a_page_or_acts_on_it(where, names, opened):
    said = ""
    for what, value in VALUES.items():
        at = opened(where, **dict.fromkeys(names, value))
        said = words(at)
        assert not at.exception, (what, at.exception)
        assert said, what
        assert not re.search(r"(?<!\\)(<img|!\[x\]\(|:red\[z)|root:", said), what
        if (where, names[0]) in TOLD and where != "room.py":
            assert re.search(TOLD[where, names[0]], said), (what, said[:300])
        assert "A" * 200 not in said, what
    if where == "room.py":
        assert TOLD["room.py", "room"] in said
    assert get_store().list_history(None)[1] == 0  # the table is there, and nothing was started


READS = ("st.query_params.get", "read_param", "open_run", "read_run_key")


def test_no_parameter_is_left_out():
    """Those that the pages read, by their source."""
    read = set()
    for file in FRAME.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            match node:
                case ast.Call(func=func, args=[ast.Constant(str(name)), *_]):
                    if ast.unparse(func) in READS:
                        read.add(name)
                case ast.Subscript(value=value, slice=ast.Constant(str(name))):
                    if ast.unparse(value) == "st.query_params":
                        read.add(name)
    assert {"run", "data", "room", "seed"} <= read
    assert read <= {name for _, names in CASES for name in names}
