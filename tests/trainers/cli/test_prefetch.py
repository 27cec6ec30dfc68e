"""`python -m trainers prefetch`."""

import pytest

from trainers import backbones
from trainers.__main__ import main
from trainers.cli import prefetch
from trainers.events import JobDone, Progress
from trainers.networks.download import DownloadError


@pytest.fixture
def net(monkeypatch):
    """What is downloaded, in order; `broken` does not come."""
    asked, here = [], set()

    def found(key):
        def stream():
            asked.append(key)
            yield Progress(1, 2, 0.1, "bytes")
            if key == "resnet18":
                raise DownloadError("resnet18 could not be downloaded: there is no network.")
            here.add(key)
            yield JobDone({}, 1.0)

        return stream

    monkeypatch.setattr(prefetch, "found", found)
    really = backbones.is_downloaded
    monkeypatch.setattr(backbones, "is_downloaded", lambda row: row.key in here or really(row))
    return asked


def test_the_size_is_said_before_and_each_is_fetched_once(net, capsys):
    wanted = "--sample digits --backbone mobilenet_v3_small --backbone mobilenet_v3_small"
    assert main(["prefetch", *wanted.split(), "--seconds", "0"]) == 0
    said = capsys.readouterr().out.splitlines()
    size = backbones.pick("mobilenet_v3_small").download_bytes / 1e6
    assert said[0].startswith(f"To download: {size:,.0f} MB (mobilenet_v3_small).")
    assert net == ["mobilenet_v3_small"]
    here, away = said[-2:]
    assert here.startswith("With no internet these work:")
    assert "mobilenet_v3_small" in here
    assert "mobilenet_v3_small" not in away
    assert "convnext_tiny" in away


def test_what_does_not_come_is_told_and_the_others_come_all_the_same(net, capsys):
    wanted = "--sample digits --backbone resnet18 --backbone mobilenet_v3_small --seconds 0"
    assert main(["prefetch", *wanted.split()]) == 1
    told = capsys.readouterr()
    assert "there is no network" in told.err
    assert "Not ready: resnet18." in told.err
    assert "mobilenet_v3_small is here." in told.out


def test_each_data_set_is_tried_with_each_backbone_that_reads_it(toy, net, capsys):
    toys = [key for key, row in toy.SAMPLES.items() if row.modality == "images"][:1]
    assert main(["prefetch", "--sample", *toys, "--seconds", "3"]) == 0
    said = capsys.readouterr().out
    assert f"{toys[0]} with " in said
    assert "% right in" in said
    assert net == []


def test_what_breaks_in_a_try_is_told(net, monkeypatch, capsys):
    def broken(plan):
        raise RuntimeError("a torn file")
        yield

    monkeypatch.setattr("trainers.training.run.run", broken)
    assert main(["prefetch", "--sample", "digits"]) == 1
    told = capsys.readouterr()
    assert "a torn file" in told.err
    assert "Not ready: digits with small_resnet." in told.err


def test_an_unknown_key_is_refused_before_anything_is_fetched(net, capsys):
    assert main(["prefetch", "--sample", "digitz", "--backbone", "resnet18"]) == 2
    assert "Did you mean 'digits'" in capsys.readouterr().err
    assert net == []
