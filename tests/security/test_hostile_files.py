"""Files that would run what they hold, had anything here unpickled them or trusted their code."""

import ast
import json
import os
import pickle

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from trainers.backbones import BackboneNotDownloaded, is_downloaded, pick
from trainers.backbones.cache import backbone_path
from trainers.datasets import uploads
from trainers.datasets.uploads import BadUpload
from trainers.networks.hf_config import UnsupportedModel
from trainers.reports.run_file import BadFile, import_run
from trainers.serving.tables import escape_formula
from trainers.store import Store, resume
from trainers.system.checkpoint_file import CHECKPOINT_FILE, read_checkpoint_header
from trainers.system.feature_cache import FeatureCache
from trainers.training.checkpoint import load_checkpoint

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Payload:
    """What makes a folder when it is unpickled."""

    def __init__(self, folder) -> None:
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.fixture
def ran(tmp_path):
    """The folder that is there once a payload has run."""
    return tmp_path / "it-ran"


@pytest.fixture
def payload(ran) -> bytes:
    return pickle.dumps(Payload(ran), protocol=2)  # the only one that torch looks into


@pytest.fixture(autouse=True)
def nothing_ran(ran):
    yield
    assert not ran.exists()


@pytest.fixture
def homes(tmp_path, monkeypatch):
    for name in ("TORCH_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)


def test_the_payload_does_run_where_it_is_unpickled(payload, ran):
    pickle.loads(payload)  # noqa: S301 - that is the point
    assert ran.is_dir()
    ran.rmdir()


# --- weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", ["plain", "by torch"])
def test_torchvision_s_file_with_a_payload_is_not_run(packed, payload, ran, homes):
    row = pick("mobilenet_v2")
    backbone_path(row).mkdir(parents=True)
    if packed == "plain":
        (backbone_path(row) / row.weights_file).write_bytes(payload)
    else:
        torch.save({"features.0.0.weight": Payload(ran)}, backbone_path(row) / row.weights_file)
    with pytest.raises((pickle.UnpicklingError, RuntimeError)):
        row.build_encoder(pretrained=True)


def snapshot(**files: bytes):
    """The folder of a hub's model on this computer, with these files, and its row."""
    row = pick(f"hf:stranger/model@{COMMIT}")
    folder = backbone_path(row) / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    config = {"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "vocab_size": 9,
              "num_attention_heads": 1, "intermediate_size": 8}  # fmt: skip
    files = {"config.json": json.dumps(config).encode(), "vocab.txt": b"[PAD]\n[UNK]\n"} | files
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return pick(f"hf:stranger/model@{COMMIT}")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "model.pkl"])
def test_a_model_of_the_hub_that_is_a_pickle_is_not_there(name, payload, homes):
    row = snapshot(**{name: payload})
    assert not is_downloaded(row)
    with pytest.raises(BackboneNotDownloaded, match="downloads nothing"):
        row.build_encoder(pretrained=True)


@pytest.mark.filterwarnings("ignore")
def test_a_pickle_that_is_called_safetensors_is_not_run(payload, homes):
    row = snapshot(**{"model.safetensors": payload, "pytorch_model.bin": payload})
    assert row.parameters == 0  # nothing that could be counted
    with pytest.raises(SafetensorError):
        row.build_encoder(pretrained=True)


EVIL = "import os\nos.mkdir({folder!r})\nclass Evil: pass\n"


@pytest.mark.filterwarnings("ignore")
def test_code_that_comes_with_a_model_is_not_run(ran, homes):
    from safetensors.torch import save

    code = EVIL.format(folder=str(ran)).encode()
    auto = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil", "AutoTokenizer": "evil.Evil"}
    config = json.dumps({"model_type": "evil", "auto_map": auto}).encode()
    weights = save({"x": torch.zeros(1)})
    row = snapshot(**{"config.json": config, "evil.py": code, "model.safetensors": weights})
    with pytest.raises(UnsupportedModel):
        row.build_encoder(pretrained=True)


# --- what lies in the data folder -----------------------------------------------------------------


def test_where_a_run_stands_is_never_unpickled(payload, home):
    home.mkdir(parents=True, exist_ok=True)
    (home / CHECKPOINT_FILE).write_bytes(payload)
    assert read_checkpoint_header(home) is None
    assert load_checkpoint(home) is None
    assert not hasattr(resume, "pickle")


def objects(ran) -> np.ndarray:
    return np.array([[Payload(ran)]], dtype=object)


def test_features_that_hold_objects_count_for_nothing(ran, home):
    known = FeatureCache("digits", "a network")
    file = known._path([b"x"], False)
    file.parent.mkdir(parents=True)
    np.save(file, objects(ran), allow_pickle=True)
    assert known.get([b"x"], mirrored=False) is None


def data(tmp_path) -> str:
    table = tmp_path / "a.csv"
    table.write_text("text,label\n" + "".join(f"words {n * 37},{'ab'[n % 2]}\n" for n in range(20)))
    reading = uploads.import_upload(table)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return end.value


def test_an_index_that_holds_objects_is_not_read(tmp_path, ran, home):
    key = data(tmp_path)
    np.savez(home / "data" / key / "index.npz", labels=objects(ran), test=objects(ran),
             starts=objects(ran), ends=objects(ran))  # fmt: skip
    for read in (
        uploads.get_upload(f"own-{key}").load_splits,
        uploads.get_upload(f"own-{key}").split_rows,
    ):
        with pytest.raises(ValueError, match="allow_pickle=False"):
            read()


# --- what a browser brings ------------------------------------------------------------------------

CALLED = ["a.csv", "a.tsv", "a.txt", "a.xlsx", "a.json", "a.jsonl", "a.parquet", "a.npy", "a.npz",
          "a.pkl", "a.pt", "a.bin", "a.zip", "a.png", "a"]  # fmt: skip


@pytest.mark.parametrize("name", CALLED)
def test_a_pickle_is_no_data_whatever_it_is_called(name, payload, tmp_path):
    (tmp_path / name).write_bytes(payload)
    with pytest.raises(BadUpload):
        list(uploads.import_upload(tmp_path / name))


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'


@pytest.mark.parametrize("name", ["a.svg", "a.svgz", "a.png", "a.html"])
def test_a_drawing_with_a_script_is_no_picture(name, tmp_path):
    folder = tmp_path / "pictures"
    for kind in "ab":
        (folder / kind).mkdir(parents=True)
        for number in range(5):
            (folder / kind / f"{number}{name}").write_bytes(SVG)
    with pytest.raises(BadUpload):
        list(uploads.import_upload(folder))


@pytest.fixture
def runs(tmp_path):
    made = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    yield made
    made.engine.dispose()


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
def test_a_number_of_5000_figures_is_said_in_words(name, tmp_path):
    rows = ['{"text": "hello %d", "label": %s}' % (n, "1" * 5000) for n in range(9)]  # noqa: UP031
    told = "\n".join(rows) if name == "rows.jsonl" else f"[{', '.join(rows)}]"
    (tmp_path / name).write_text(told)
    with pytest.raises(BadUpload, match=r"a number in it is too long") as caught:
        list(uploads.import_upload(tmp_path / name))
    assert "sys." not in str(caught.value)


def test_a_pickle_is_no_run(payload, runs):
    with pytest.raises(BadFile, match="cannot be read as JSON"):
        import_run(runs, payload, "ann")


# --- CSV ------------------------------------------------------------------------------------------

FORMULAS = ['=HYPERLINK("http://x")', "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1",
            "=cmd|' /C calc'!A0", "-", "\n=1"]  # fmt: skip
TEXTS = ["hello", "", "-5", "+3.5", "-1e-3", "a=b", "'quoted", "1,2"]


def load_exported_escape_formula():
    """The function in the file that goes along with a model, which needs the model to be loaded."""
    from trainers.export import template

    source = next(iter(template.__path__)) + "/predict.py"
    with open(source, encoding="utf-8") as file:
        parts = [one for one in ast.parse(file.read()).body
                 if isinstance(one, ast.FunctionDef) and one.name == "escape_formula"]  # fmt: skip
    found = {}
    exec(compile(ast.Module(parts, []), source, "exec"), found)  # noqa: S102 - our own
    return found["escape_formula"]


@pytest.mark.parametrize(
    "made", [escape_formula, load_exported_escape_formula()], ids=["page", "takeaway"]
)
def test_no_cell_that_is_written_is_a_formula(made):
    assert all(made(cell) == f"'{cell}" for cell in FORMULAS)
    assert all(made(cell) == cell for cell in TEXTS)
