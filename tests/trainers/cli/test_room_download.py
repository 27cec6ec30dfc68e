"""`thaw download --for-room`."""

import pytest

from trainers import backbones
from trainers.cli import room_download
from trainers.cli.main import main
from trainers.events import JobDone, Progress
from trainers.networks.download import DownloadError


@pytest.fixture
def net(monkeypatch):
    """The keys that are downloaded, in order; resnet18 fails."""
    keys, here = [], set()

    def find_downloader(key):
        def stream():
            keys.append(key)
            yield Progress(1, 2, 0.1, "bytes")
            if key == "resnet18":
                raise DownloadError("resnet18 could not be downloaded: there is no network.")
            here.add(key)
            yield JobDone({}, 1.0)

        return stream

    monkeypatch.setattr(room_download, "find_downloader", find_downloader)
    really = backbones.is_downloaded
    monkeypatch.setattr(backbones, "is_downloaded", lambda row: row.key in here or really(row))
    return keys


def test_the_size_is_printed_first_and_each_key_is_downloaded_once(net, capsys):
    wanted = "--dataset digits --backbone mobilenet_v3_small --backbone mobilenet_v3_small"
    assert main(["download", "--for-room", *wanted.split(), "--seconds", "0"]) == 0
    out = capsys.readouterr().out.splitlines()
    size = backbones.pick("mobilenet_v3_small").download_bytes / 1e6
    assert out[0].startswith(f"To download: {size:,.0f} MB (mobilenet_v3_small).")
    assert net == ["mobilenet_v3_small"]
    here, away = out[-2:]
    assert here.startswith("These work without internet:")
    assert "mobilenet_v3_small" in here
    assert "mobilenet_v3_small" not in away
    assert "convnext_tiny" in away


def test_a_failed_download_is_reported_and_the_others_still_come(net, capsys):
    wanted = "--dataset digits --backbone resnet18 --backbone mobilenet_v3_small --seconds 0"
    assert main(["download", "--for-room", *wanted.split()]) == 1
    shown = capsys.readouterr()
    assert "there is no network" in shown.err
    assert "Not ready: resnet18." in shown.err
    assert "mobilenet_v3_small is here." in shown.out


def test_each_data_set_is_tried_with_each_backbone_that_reads_it(toy, net, capsys):
    toys = [key for key, row in toy.SAMPLES.items() if row.modality == "images"][:1]
    assert main(["download", "--for-room", "--dataset", *toys, "--seconds", "3"]) == 0
    out = capsys.readouterr().out
    assert f"{toys[0]} with " in out
    assert "% right in" in out
    assert net == []


def test_a_failed_trial_run_is_reported(net, monkeypatch, capsys):
    def broken(plan):
        raise RuntimeError("a torn file")
        yield

    monkeypatch.setattr("trainers.training.run.run", broken)
    assert main(["download", "--for-room", "--dataset", "digits"]) == 1
    shown = capsys.readouterr()
    assert "a torn file" in shown.err
    assert "Not ready: digits with small_resnet." in shown.err


def test_an_unknown_key_is_refused_before_anything_is_downloaded(net, capsys):
    assert main(["download", "--for-room", "--dataset", "digitz", "--backbone", "resnet18"]) == 2
    assert "Did you mean 'digits'" in capsys.readouterr().err
    assert net == []
