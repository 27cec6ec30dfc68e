"""Uploads for tests."""

from pathlib import Path

from trainers.datasets import uploads
from trainers.system.streams import drain

SUBJECTS = ("the cat", "a dog", "my house", "that boat", "one tree", "this road")


def own_texts(folder: Path, visitor: str, *, marker: str = "", title: str = "texts.csv") -> str:
    """Import a small table of texts as `visitor` and return its dataset key."""
    rows = [
        f"{marker} {subject} is {word} and number {n * n * 7 + 3},{label}"
        for n, subject in enumerate(SUBJECTS)
        for word, label in (("lovely", "good"), ("dreadful", "bad"))
    ]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "texts.csv"
    file.write_text("\n".join(["text,label", *rows]), "utf-8")
    return f"own-{drain(uploads.import_upload(file, title=title, visitor=visitor))}"
