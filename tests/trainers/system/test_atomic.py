"""Files that are there whole or not at all, also where threads write them at once."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

from trainers.system import feature_cache, paths as home_module
from trainers.system.atomic import atomic_write
from trainers.system.paths import data_dir, data_dir_id


def test_drafts_of_the_same_file_that_are_written_at_once_are_two(tmp_path):
    file = tmp_path / "about.json"
    with atomic_write(file, apart=True) as one:
        one.write_text("one")
        with atomic_write(file, apart=True) as other:
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
    (name,) = set(at_once(data_dir_id))
    assert name == data_dir_id()
    assert [file.name for file in data_dir().glob("machine*")] == ["machine"]


def test_features_that_come_twice_at_once_are_whole(monkeypatch):
    drafts = []
    monkeypatch.setattr(feature_cache.Path, "write_bytes", lambda path, _: drafts.append(path))
    monkeypatch.setattr(feature_cache.Path, "replace", lambda *_: None)
    at_once(lambda: feature_cache.import_file("digits", "a.npy", b"features"))
    assert len(set(drafts)) == 4
