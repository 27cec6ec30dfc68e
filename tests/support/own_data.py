"""What a visitor of the tests has."""

from pathlib import Path

from trainers.datasets import uploads

SUBJECTS = ("the cat", "a dog", "my house", "that boat", "one tree", "this road")


def own_texts(folder: Path, visitor: str, *, marker: str = "", title: str = "texts.csv") -> str:
    """A few texts of the visitor's own; the key of the data."""
    rows = [
        f"{marker} {subject} is {word} and number {n * n * 7 + 3},{label}"
        for n, subject in enumerate(SUBJECTS)
        for word, label in (("lovely", "good"), ("dreadful", "bad"))
    ]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "texts.csv"
    file.write_text("\n".join(["text,label", *rows]), "utf-8")
    reading = uploads.import_upload(file, title=title, visitor=visitor)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return f"own-{end.value}"
