"""What our own source never does, read off its syntax: a rule nobody has to remember."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("guide", "pages", "trainers")
FILES = [ROOT / "app.py", *(file for name in FOLDERS for file in (ROOT / name).rglob("*.py"))]
PAGES = [file for file in FILES if file.is_relative_to(ROOT / "pages")]
# Whoever reads these with a stranger's file runs the stranger's code.
UNPICKLING = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
# The one module that names pickle, for the name of an error that torch raises.
NAMES_THE_ERROR = ROOT / "trainers" / "networks" / "download.py"


def called(node: ast.AST) -> str:
    """What is called: "torch.load" of torch.load(…); "" for what is no call by a plain name."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def keywords(node: ast.Call) -> dict[str, str]:
    return {one.arg: ast.unparse(one.value) for one in node.keywords if one.arg}


def is_of_features(name: str) -> bool:
    """Return whether it is `FeatureExtractor.extract`, which has nothing to do with archives."""
    return name.endswith("extractor.extract")


def faults(source: str) -> Iterator[str]:
    """What is wrong with a module of ours, in words."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names]
            yield from (f"imports {name}" for name in names if name.split(".")[0] in UNPICKLING)
        if not (name := called(node)):
            continue
        given = keywords(node)
        match name.split("."):
            case [one] if one in RUNS_TEXT:
                yield f"calls {name}"
            case ["torch", "load"] | [*_, "load_state_dict_from_url" | "get_state_dict"]:
                if given.get("weights_only") != "True":
                    yield f"{name} without weights_only=True"
            case ["np" | "numpy", "load"]:
                if given.get("allow_pickle") != "False":
                    yield f"{name} without allow_pickle=False"
            case [*_, "yaml", "load" | "unsafe_load" | "full_load"]:
                yield f"calls {name}"
            case ["os", "system" | "popen"] | ["subprocess", "getoutput" | "getstatusoutput"]:
                yield f"calls {name}"
            case [*_, "from_pretrained" | "from_config"]:
                code = given.get("trust_remote_code", "False")
                if code != "False":
                    yield f"{name} with trust_remote_code={code}"
            case [*_, "extractall" | "extract" | "unpack_archive"] if not is_of_features(name):
                yield f"{name}: members are read one at a time, and never unpacked"
        if given.get("shell", "False") != "False":
            yield f"{name} with a shell"
        if given.get("unsafe_allow_html", "False") != "False":
            yield f"{name} with unsafe_allow_html"
        if given.get("unsafe_allow_javascript", "False") != "False":
            yield f"{name} with unsafe_allow_javascript"


WRONG = [
    "import pickle", "from joblib import load", "import os, shelve", "from dill.source import x",
    "eval(x)", "exec(x)", "torch.load(f)", "torch.load(f, weights_only=False)", "np.load(f)",
    "weights.get_state_dict(check_hash=True)", "numpy.load(f, allow_pickle=True)", "yaml.load(f)",
    "subprocess.run(x, shell=True)", "os.system(x)", "A.from_pretrained(x, trust_remote_code=True)",
    "archive.extractall(x)", "st.markdown(x, unsafe_allow_html=True)",
]  # fmt: skip


@pytest.mark.parametrize("line", WRONG)
def test_the_rules_would_notice(line):
    assert list(faults(line))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_module_unpickles_runs_text_or_trusts_foreign_code(file):
    found = list(faults(file.read_text("utf-8")))
    allowed = ["imports pickle"] if file == NAMES_THE_ERROR else []
    assert found == allowed


def test_pickle_is_named_for_its_error_alone():
    tree = ast.parse(NAMES_THE_ERROR.read_text("utf-8"))
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)
            and ast.unparse(node.value) == "pickle"}  # fmt: skip
    assert used == {"pickle.UnpicklingError"}


# --- HTML ---------------------------------------------------------------------------------------


def is_ours(node: ast.expr, module: ast.Module) -> bool:
    """Return whether HTML is a literal, a constant that is one, or a file beside the module."""
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name) if name.isupper():
            return any(defines_literal(statement, name) for statement in module.body)
        case ast.BinOp(op=ast.Div()):  # Path(__file__).parent / "page.css"
            return "__file__" in ast.unparse(node)
    return False


def defines_literal(statement: ast.stmt, name: str) -> bool:
    """Return whether the statement assigns a literal to `name`, or imports one of that name."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=target)], value=ast.Constant()):
            return target == name
        case ast.ImportFrom(module=str(source), names=names):
            if name not in {alias.name for alias in names}:
                return False
            tree = ast.parse((ROOT / f"{source.replace('.', '/')}.py").read_text("utf-8"))
            return any(defines_literal(inner, name) for inner in tree.body)
    return False


def html_calls() -> list:
    found = []
    for file in PAGES:
        module = ast.parse(file.read_text("utf-8"))
        found += [
            pytest.param(file, node, module, id=f"{file.name}:{node.lineno}")
            for node in ast.walk(module)
            if called(node) in ("st.html", "st.iframe") or called(node).endswith(".html")
        ]
    return found


@pytest.mark.parametrize(("file", "node", "module"), html_calls())
def test_html_is_a_literal_of_ours(file, node, module):
    assert is_ours(node.args[0], module)


def scripts() -> list[Path]:
    parts = ROOT / "pages" / "parts"
    return [*PAGES, *parts.rglob("*.js")]


WRITES_HTML = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "srcdoc")
PICTURE = ROOT / "pages" / "parts" / "widgets" / "svg.py"  # draws, and is handed drawings alone


def test_one_component_writes_html():
    writing = [f for f in scripts() if any(word in f.read_text("utf-8") for word in WRITES_HTML)]
    assert writing == [PICTURE]


def test_that_one_is_handed_our_drawings_alone():
    drawn = [
        ast.unparse(node.args[0])
        for file in PAGES
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if called(node) == "draw_svg"
    ]
    assert drawn
    ours = (
        "drawings.",
        "lesson_drawings.",
        "sparkline(",
        "drawing.replace(",
    )  # the last is segno's
    assert [one for one in drawn if not one.startswith(ours)] == []


@pytest.mark.parametrize("file", scripts(), ids=lambda file: file.name)
def test_no_script_or_style_of_ours_comes_from_elsewhere(file):
    """But for links that people click, no address is in what a browser runs."""
    if file.suffix == ".js":
        assert "://" not in file.read_text("utf-8").replace("http://www.w3.org", "")


# --- inputs -------------------------------------------------------------------------------------

LIMITS = {  # what a widget must be told
    "text_input": {"max_chars"},
    "text_area": {"max_chars"},
    "chat_input": {"max_chars"},
    "file_uploader": {"type", "max_upload_size"},
    "number_input": {"min_value", "max_value"},
    "slider": {"min_value", "max_value"},
}
PLACES = {  # and by which place it may be told that
    "text_input": {}, "text_area": {}, "chat_input": {}, "file_uploader": {},
    "number_input": {"min_value": 1, "max_value": 2}, "slider": {"min_value": 1, "max_value": 2},
}  # fmt: skip


def inputs() -> list:
    return [
        pytest.param(name, node, id=f"{file.stem}:{node.lineno}")
        for file in PAGES
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if (name := called(node).rpartition(".")[2]) in LIMITS
    ]


@pytest.mark.parametrize(("name", "node"), inputs())
def test_every_input_has_a_limit(name, node):
    told = keywords(node)
    by_place = {what for what, place in PLACES[name].items() if len(node.args) > place}
    assert LIMITS[name] <= told.keys() | by_place


def test_where_somebody_may_type_an_option_it_is_cut():
    """`accept_new_options` knows no limit: what is typed there goes through a module that cuts."""
    free = [
        file.name
        for file in PAGES
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and "accept_new_options" in keywords(node)
    ]
    assert free == ["address.py"]  # Rooms.set_address cuts it
