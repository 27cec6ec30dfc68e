"""Downloads: the publishers' own libraries against publishers on this machine."""

import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import psutil
import pytest
import torch
from torchvision.models import get_model_weights
from torchvision.models._api import Weights, WeightsEnum
from torchvision.transforms._presets import ImageClassification

from tests.support import hub
from trainers import backbones
from trainers.__main__ import main
from trainers.backbones import cache, pick
from trainers.events import JobDone, Progress, RunFinished, Stage
from trainers.jobs import Download
from trainers.networks import download as downloads, torchvision
from trainers.networks.download import DownloadError, download
from trainers.networks.hf_config import UnsupportedModel
from trainers.networks.loading import shared_encoder
from trainers.plan import Plan
from trainers.tasks import download as trainers_fetch
from trainers.tasks.download import run_download
from trainers.training.run import run

SAFETENSORS = "model.safetensors"


@pytest.fixture(autouse=True)
def homes(tmp_path, monkeypatch):
    """Folders of models of the test's own."""
    for name in ("TORCH_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    yield tmp_path
    shared_encoder.cache_clear()


@pytest.fixture
def publisher(monkeypatch):
    with hub.serving(hub.Publisher()) as found:
        monkeypatch.setenv("HF_ENDPOINT", found.address)
        yield found


@pytest.fixture(scope="module")
def tiny_bert(tmp_path_factory) -> dict[str, bytes]:
    """The files of a BERT with two layers that knows forty words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("bert")
    settings = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(vocab_size=40, intermediate_size=32, max_position_embeddings=24, **settings)
    BertModel(config).save_pretrained(folder)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{n}" for n in range(36))]
    numbered = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(numbered, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    return {file.name: file.read_bytes() for file in folder.iterdir()} | {
        "onnx/model.onnx": b"of no use here",
        "pytorch_model.bin": b"never opened",
        "README.md": b"about",
    }


def silent() -> socket.socket:
    """Takes connections and never says a word: a network that swallows everything."""
    return socket.create_server(("127.0.0.1", 0), backlog=50)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def left_over(folder) -> list[str]:
    return [
        str(file)
        for pattern in ("*.incomplete", "*.partial", "*.part")
        for file in folder.rglob(pattern)
    ]


# --- torchvision --------------------------------------------------------------------------------


@pytest.fixture
def tiny_net(publisher, monkeypatch):
    """SqueezeNet's row, with a few numbers at the publisher in place of its weights."""
    out = io.BytesIO()
    torch.save({"weight": torch.arange(200_000.0)}, out)
    content = out.getvalue()
    name = f"tiny-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    publisher.files[f"/{name}"] = content
    url = f"{publisher.address}/{name}"
    kind = WeightsEnum("Tiny", {"IMAGENET1K_V1": Weights(url, ImageClassification, {})})
    monkeypatch.setattr(torchvision, "get_weights", lambda row: kind.IMAGENET1K_V1)
    monkeypatch.setattr(downloads, "find_weights_url", lambda row: url)
    return replace(pick("squeezenet1_0"), weights_file=name)


def test_a_download_tells_how_far_it_is_and_ends_here(tiny_net, publisher, capsys):
    publisher.slow_seconds = 0.005
    events = list(download(tiny_net))
    assert isinstance(events[0], Stage)
    assert isinstance(events[-1], JobDone)
    told = [event for event in events if isinstance(event, Progress)]
    assert {event.unit for event in told} == {"bytes"}
    assert [event.done for event in told] == sorted(event.done for event in told)
    size = len(publisher.files[f"/{tiny_net.weights_file}"])
    assert {event.total for event in told} == {size}
    assert any(0 < event.done < size for event in told)
    assert told[-1].done == size
    assert cache.is_downloaded(tiny_net)
    assert [file.name for file in cache.torch_hub_path().iterdir() if file.is_file()] == [
        tiny_net.weights_file
    ]


def test_what_is_here_is_not_asked_for_again(tiny_net, publisher):
    list(download(tiny_net))
    before = len(publisher.asked)
    (event,) = download(tiny_net)
    assert isinstance(event, JobDone)
    assert len(publisher.asked) == before


def test_a_cut_leaves_nothing_and_the_next_try_brings_it(tiny_net, publisher, homes):
    publisher.cuts[f"/{tiny_net.weights_file}"] = 300_000
    with pytest.raises(DownloadError, match=r"did not arrive as it was published.*Try again"):
        list(download(tiny_net))
    assert not cache.is_downloaded(tiny_net)
    assert left_over(homes) == []
    list(download(tiny_net))
    assert cache.is_downloaded(tiny_net)


def test_wrong_bytes_are_thrown_away(tiny_net, publisher):
    path = f"/{tiny_net.weights_file}"
    publisher.files[path] = publisher.files[path][:-1] + b"x"
    with pytest.raises(DownloadError, match="checksum"):
        list(download(tiny_net))
    assert not cache.is_downloaded(tiny_net)


def test_pickled_programs_never_run(tiny_net, publisher, homes, monkeypatch):
    class Program:
        def __reduce__(self):
            return os.mkdir, (str(homes / "ran"),)

    out = io.BytesIO()
    torch.save({"weight": Program()}, out)
    publisher.files[f"/{tiny_net.weights_file}"] = out.getvalue()
    row = replace(tiny_net, weights_file=tiny_net.weights_file)
    kind = torchvision.get_weights(row).value
    name = f"tiny-{hashlib.sha256(out.getvalue()).hexdigest()[:8]}.pth"
    publisher.files[f"/{name}"] = out.getvalue()
    url = kind.url.rpartition("/")[0] + f"/{name}"
    evil = WeightsEnum("Evil", {"IMAGENET1K_V1": Weights(url, ImageClassification, {})})
    monkeypatch.setattr(torchvision, "get_weights", lambda row: evil.IMAGENET1K_V1)
    with pytest.raises(DownloadError):
        list(download(replace(row, weights_file=name)))
    assert not (homes / "ran").exists()


def test_what_died_in_the_middle_is_cleared_away(tiny_net):
    draft = cache.torch_hub_path() / ".thaw" / tiny_net.key
    draft.mkdir(parents=True)
    (draft / f"{tiny_net.weights_file}.0123.partial").write_bytes(b"half")
    list(download(tiny_net))
    assert not draft.exists()


def test_closing_a_download_leaves_nothing_half(tiny_net, publisher, homes):
    publisher.slow_seconds = 0.01
    stream = download(tiny_net)
    half = next(event for event in stream if isinstance(event, Progress) and event.done)
    assert half.done < half.total
    stream.close()
    assert left_over(homes) == []
    assert not cache.is_downloaded(tiny_net)


def test_two_at_once_are_not_mixed(tiny_net, publisher):
    publisher.slow_seconds = 0.01
    first = download(tiny_net)
    next(event for event in first if isinstance(event, Progress))
    with pytest.raises(DownloadError, match="downloaded already, by another"):
        list(download(tiny_net))
    list(first)
    assert cache.is_downloaded(tiny_net)


@pytest.mark.parametrize(
    ("status", "words"), [(404, "no longer has"), (410, "no longer has"), (503, "error 503")]
)
def test_an_answer_that_is_no_file_is_said(status, words, tiny_net, publisher):
    publisher.statuses[f"/{tiny_net.weights_file}"] = (status, {})
    with pytest.raises(DownloadError, match=f"{words}.*small_resnet"):
        list(download(tiny_net))


def test_a_full_disk_is_said_before_the_first_byte(tiny_net, publisher, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(DownloadError, match=r"only 0 MB are free.*TORCH_HOME"):
        list(download(tiny_net))
    assert publisher.asked_for(f"/{tiny_net.weights_file}") == []


def test_a_disk_that_fills_up_on_the_way_is_said(tiny_net, monkeypatch, homes):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch.hub, "download_url_to_file", full)
    with pytest.raises(DownloadError, match="disk is full"):
        list(download(tiny_net))
    assert left_over(homes) == []


def test_the_address_is_torchvision_s_own():
    for row in backbones.BACKBONES.values():
        if row.weights_file:
            assert downloads.find_weights_url(row) == get_model_weights(row.key).IMAGENET1K_V1.url


# --- no network ---------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["squeezenet1_0", "distilbert"])
@pytest.mark.parametrize("way", ["refused", "silent"])
def test_without_a_network_a_clear_word_comes_within_five_seconds(key, way, monkeypatch):
    with silent() as server:
        port = server.getsockname()[1] if way == "silent" else closed_port()
        address = f"http://127.0.0.1:{port}"
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setattr(
            downloads, "find_weights_url", lambda row: f"{address}/{row.weights_file}"
        )
        began = time.monotonic()
        with pytest.raises(DownloadError, match=r"no network.*Or use (small_resnet|minilm)"):
            list(download(pick(key)))
        assert time.monotonic() - began < 5


def test_a_name_that_is_looked_up_for_ever_does_not_hold_it_up(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(downloads, "CONNECT_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(10))
    began = time.monotonic()
    with pytest.raises(DownloadError, match="no answer in time"):
        list(download(pick("squeezenet1_0")))
    assert time.monotonic() - began < 2
    over.set()


def test_the_terminal_says_it_in_a_line_and_soon(root, homes):
    with silent() as server:
        port = server.getsockname()[1]
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "trainers", "download", "e5_small"],
            cwd=root,
            env=os.environ | {"HF_ENDPOINT": f"http://127.0.0.1:{port}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert time.monotonic() - began < 15  # of which the interpreter's start is a part
    assert done.returncode == 1
    assert "no network" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


# --- Hugging Face -------------------------------------------------------------------------------

TINY = "hf:tiny/bert"


def test_an_encoder_comes_with_what_it_needs_and_no_more(publisher, tiny_bert):
    hub.publish(publisher, "tiny/bert", tiny_bert)
    row = pick(TINY)
    assert (row.width, row.parameters, row.download_bytes) == (None, 0, None)
    assert not backbones.is_downloaded(row)
    told = [event for event in download(row) if isinstance(event, Progress)]
    names = ["config.json", SAFETENSORS, "tokenizer.json"]
    assert told[-1].done == told[-1].total == sum(len(tiny_bert[name]) for name in names)
    assert sorted(file.name for file in cache.find_snapshot(row).iterdir()) == sorted(names)
    found = pick(TINY)
    assert backbones.is_downloaded(found)
    assert (found.width, found.max_tokens) == (16, 24)
    assert found.parameters > 1000


def test_a_name_without_a_revision_keeps_meaning_what_came(publisher, tiny_bert):
    hub.publish(publisher, "tiny/bert", tiny_bert)
    list(download(pick(TINY)))
    refs = cache.backbone_path(pick(TINY)) / "refs"
    (refs / "main").write_text("f" * 40)  # another program has seen a newer one
    assert backbones.pin_revision(TINY) == f"{TINY}@{hub.COMMIT}"
    assert backbones.is_downloaded(pick(TINY))


def test_a_run_on_it_can_be_repeated_exactly(publisher, tiny_bert):
    hub.publish(publisher, "tiny/bert", tiny_bert)
    list(download(pick(TINY)))
    last = [
        *run(
            Plan(
                data="messages",
                backbone=TINY,
                approach="fine_tune",
                examples_per_class=2,
                seconds=2,
            )
        )
    ][-1]
    assert isinstance(last, RunFinished)
    assert last.repeat_plan["backbone"] == f"{TINY}@{hub.COMMIT}"
    assert 0 < last.trainable_parameters < last.parameters


def test_a_connection_cut_in_the_middle_is_resumed(publisher, tiny_bert, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    hub.publish(publisher, "tiny/bert", tiny_bert)
    path = f"/tiny/bert/resolve/{hub.COMMIT}/{SAFETENSORS}"
    publisher.cuts[path] = 9000
    list(download(pick(TINY)))
    assert (cache.find_snapshot(pick(TINY)) / SAFETENSORS).read_bytes() == tiny_bert[SAFETENSORS]
    assert publisher.asked_for(path) == [None, "bytes=9000-"]


@pytest.mark.parametrize("name", [SAFETENSORS, "tokenizer.json"])
def test_a_file_that_differs_from_the_published_sum_is_deleted(name, publisher, tiny_bert):
    hub.publish(publisher, "tiny/bert", tiny_bert)
    path = f"/tiny/bert/resolve/{hub.COMMIT}/{name}"
    whole = publisher.files[path]
    publisher.files[path] = whole[:-2] + b" }"
    with pytest.raises(DownloadError, match=f"{name}.*checksum"):
        list(download(pick(TINY)))
    assert not backbones.is_downloaded(pick(TINY))
    publisher.files[path] = whole
    list(download(pick(TINY)))
    assert backbones.is_downloaded(pick(TINY))


def test_a_model_without_safetensors_is_refused_and_nothing_comes(publisher, tiny_bert):
    files = {name: content for name, content in tiny_bert.items() if name != SAFETENSORS}
    hub.publish(publisher, "tiny/bert", files)
    with pytest.raises(DownloadError, match=r"no weights in the safetensors form.*minilm"):
        list(download(pick(TINY)))
    assert not any("/resolve/" in path for _, path, _ in publisher.asked)


def test_a_model_without_a_tokenizer_is_refused(publisher, tiny_bert):
    files = {name: content for name, content in tiny_bert.items() if name != "tokenizer.json"}
    hub.publish(publisher, "tiny/bert", files)
    with pytest.raises(DownloadError, match="no tokenizer"):
        list(download(pick(TINY)))


def test_code_that_comes_with_a_model_never_runs(publisher, tiny_bert, homes):
    code = f"import os\nos.mkdir({str(homes / 'ran')!r})\n"
    config = {
        "model_type": "made_up",
        "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"},
    }
    files = tiny_bert | {"code.py": code.encode(), "config.json": json.dumps(config).encode()}
    hub.publish(publisher, "tiny/bert", files)
    with pytest.raises(UnsupportedModel, match="code of its own, which Thaw never runs"):
        list(download(pick(TINY)))
    assert not (homes / "ran").exists()
    paths = {path.rpartition("/")[2] for _, path, _ in publisher.asked}
    assert "config.json" in paths
    assert not {"code.py", SAFETENSORS} & paths


def test_a_model_that_only_the_invited_may_have_is_said(publisher, tiny_bert):
    hub.publish(publisher, "tiny/bert", tiny_bert, gated="manual")
    with pytest.raises(DownloadError, match=r"accepted its terms.*HF_TOKEN"):
        list(download(pick(TINY)))


@pytest.mark.parametrize(
    ("key", "code", "words"),
    [
        ("hf:tiny/none", "RepoNotFound", "There is no model tiny/none"),
        ("hf:tiny/none@v9", "RevisionNotFound", "no revision 'v9'"),
        ("hf:tiny/none", "GatedRepo", "accepted its terms"),
        ("hf:tiny/none", "", "error 500"),
    ],
)
def test_what_the_hub_refuses_is_said(key, code, words, publisher):
    path = "/api/models/tiny/none" + ("/revision/v9" if "@" in key else "")
    status = {"GatedRepo": 403, "": 500}.get(code, 404)
    publisher.statuses[path] = (status, {"X-Error-Code": code})
    with pytest.raises(DownloadError, match=words):
        list(download(pick(key)))


def test_offline_variables_are_honoured(publisher, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE"):
        list(download(pick(TINY)))
    assert publisher.asked == []


# --- from a light process -----------------------------------------------------------------------


def test_a_job_brings_a_backbone_and_relays_what_its_child_says(publisher, tiny_bert):
    hub.publish(publisher, "tiny/bert", tiny_bert)
    events = list(run_download(Download(key=TINY), should_stop=lambda: False))
    assert isinstance(events[0], Stage)
    assert any(isinstance(event, Progress) for event in events)
    assert isinstance(events[-1], JobDone)
    assert backbones.is_downloaded(pick(TINY))


@pytest.mark.parametrize("how", ["stop", "close"])
def test_a_job_that_is_stopped_ends_its_child_and_leaves_nothing(how, publisher, tiny_bert, homes):
    hub.publish(publisher, "tiny/bert", tiny_bert)
    publisher.slow_seconds = 1.0
    stopped = threading.Event()
    stream = run_download(Download(key=TINY), should_stop=stopped.is_set)
    next(event for event in stream if left_over(homes))  # in the middle of a file
    # The browser's and the app's processes may be others of this session.
    (child,) = (one for one in psutil.Process().children() if "download" in one.cmdline())
    if how == "stop":
        stopped.set()
        with pytest.raises(DownloadError, match="stopped"):
            list(stream)
    else:
        stream.close()
    assert not child.is_running()
    assert left_over(homes) == []


@pytest.mark.skipif(os.name == "nt", reason="processes end another way there")
def test_the_child_ends_with_its_parent(root, publisher, tiny_bert, homes):
    hub.publish(publisher, "tiny/bert", tiny_bert)
    publisher.slow_seconds = 1.0
    code = (
        "from trainers.tasks.download import run_download\nfrom trainers.jobs import "
        "Download\nimport psutil\n"
        f"stream = run_download(Download(key={TINY!r}), should_stop=lambda: False)\n"
        "next(stream)\nprint(psutil.Process().children()[0].pid, flush=True)\nlist(stream)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE)
    child = psutil.Process(int(parent.stdout.readline()))
    while not left_over(homes):
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    gone, _ = psutil.wait_procs([child], timeout=5)
    assert gone
    assert left_over(homes) == []


def test_an_unknown_key_starts_nothing(monkeypatch):
    monkeypatch.setattr(trainers_fetch.subprocess, "Popen", None)
    with pytest.raises(backbones.UnknownKey, match="Did you mean 'resnet18'"):
        next(run_download(Download(key="resnet81"), should_stop=lambda: False))


def test_the_terminal_brings_one_and_says_so(publisher, tiny_bert, capsys):
    hub.publish(publisher, "tiny/bert", tiny_bert)
    assert main(["download", TINY]) == 0
    assert capsys.readouterr().out == f"{TINY} is here.\n"
    assert main(["download", "nothing"]) == 2


def test_a_light_process_can_ask_and_a_proxy_is_used(root, homes):
    code = (
        "import sys\nfrom trainers.tasks.download import run_download\n"
        "from trainers.jobs import Download\n"
        "try:\n    list(run_download(Download(key='resnet18'), should_stop=lambda: False))\n"
        "except Exception as error:\n    print(error)\n"
        "assert not {'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=os.environ | {"https_proxy": f"http://127.0.0.1:{closed_port()}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "no network" in done.stdout
    assert "refused" in done.stdout  # by the proxy: without it, it is the name that is not known
