"""Files that are there whole or not at all, also where threads write them at once."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

from trainers import home as home_module, known_features
from trainers.home import home, machine
from trainers.whole import whole


def test_drafts_of_the_same_file_that_are_written_at_once_are_two(tmp_path):
    file = tmp_path / "about.json"
    with whole(file, apart=True) as one:
        one.write_text("one")
        with whole(file, apart=True) as other:
            other.write_text("other")
        assert file.read_text() == "other"
    assert file.read_text() == "one"
    assert [*tmp_path.iterdir()] == [file]


def at_once(do):
    with ThreadPoolExecutor(4) as pool:
        return [*pool.map(lambda _: do(), range(4))]


def test_a_data_folder_has_one_name_whoever_asks_first(monkeypatch):
    def slowly(draft, file):
        time.sleep(0.05)
        link(draft, file)

    link = os.link
    monkeypatch.setattr(home_module.os, "link", slowly)
    (name,) = set(at_once(machine))
    assert name == machine()
    assert [file.name for file in home().glob("machine*")] == ["machine"]


def test_features_that_come_twice_at_once_are_whole(monkeypatch):
    drafts = []
    monkeypatch.setattr(known_features.Path, "write_bytes", lambda path, _: drafts.append(path))
    monkeypatch.setattr(known_features.Path, "replace", lambda *_: None)
    at_once(lambda: known_features.take("digits", "a.npy", b"features"))
    assert len(set(drafts)) == 4
