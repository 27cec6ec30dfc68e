"""The data sets that can be downloaded: their rows, and where a downloaded one is stored.

`downloads` fetches one. From then on it is a data set called by its key. Nothing here uses the
network.
"""

from dataclasses import dataclass
from pathlib import Path

from trainers.datasets.uploads import dataset
from trainers.system.paths import data_dir
from trainers.system.registry import UnknownKey, build_registry, look_up

OFFICIAL_SPLIT = "all of it, split as its authors did"


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    key: str  # in links and plans: never rename
    title: str
    description: str  # content, in one line
    modality: str
    classes: int
    train_examples: int  # stored examples, duplicates included
    test_examples: int
    subset: str  # which part of the published data is stored
    matching_answers: dict[str, str]  # answers in the guide that describe it; our judgement
    source: str  # authors and publisher
    licence: str
    download_bytes: int  # as published
    loader: str  # "module:function", called with a folder: downloads into it, returns a `Download`


class DownloadError(RuntimeError):
    """A failed download; the text says what was requested, what is wrong and what to do."""


class DatasetNotDownloaded(UnknownKey):
    """A data set of the catalog that is not on this computer; the text says how to get it."""


CATALOG = build_registry(
    CatalogEntry(
        key="flowers102",
        title="Flowers",
        description="Photos of 102 kinds of flowers that grow in Britain, few of each.",
        modality="images",
        classes=102,
        train_examples=2040,
        test_examples=5000,
        subset="the authors' training and validation pictures; 5,000 of their 6,149 for the test",
        matching_answers={"specificity": "somewhat", "data_volume": "limited"},
        source="Nilsback and Zisserman, 102 Category Flower Dataset, University of Oxford",
        licence="none stated; published for research",
        download_bytes=344_878_000,
        loader="trainers.datasets.publishers:flowers102",
    ),
    CatalogEntry(
        key="pets",
        title="Pets",
        description="Photos of cats and dogs, by which of 37 breeds they are.",
        modality="images",
        classes=37,
        train_examples=3680,
        test_examples=3669,
        subset=OFFICIAL_SPLIT,
        matching_answers={"specificity": "common", "data_volume": "moderate"},
        source="Parkhi and others, Oxford-IIIT Pet Dataset",
        licence="CC BY-SA 4.0",
        download_bytes=811_092_049,
        loader="trainers.datasets.publishers:pets",
    ),
    CatalogEntry(
        key="eurosat",
        title="Land from above",
        description="Satellite pictures of Europe: fields, forests, rivers, roads, houses.",
        modality="images",
        classes=10,
        train_examples=20_000,
        test_examples=5000,
        subset="25,000 of the 27,000 pictures, in colour; a fifth of each class held back to test",
        matching_answers={"specificity": "specialised", "data_volume": "large"},
        source="Helber and others, EuroSAT, from Sentinel-2; as redistributed by TorchGeo",
        licence="MIT",
        download_bytes=94_280_567,
        loader="trainers.datasets.publishers:eurosat",
    ),
    CatalogEntry(
        key="fashion_mnist",
        title="Clothes",
        description="Small grey pictures of clothes, shoes and bags from a shop.",
        modality="images",
        classes=10,
        train_examples=20_000,
        test_examples=5000,
        subset="20,000 of 60,000 pictures to learn from, 5,000 of 10,000 to test",
        matching_answers={"specificity": "somewhat", "data_volume": "large"},
        source="Xiao, Rasul and Vollgraf, Fashion-MNIST, Zalando Research",
        licence="MIT",
        download_bytes=30_878_645,
        loader="trainers.datasets.publishers:fashion_mnist",
    ),
    CatalogEntry(
        key="dtd",
        title="Textures",
        description="Surfaces by the word that describes them: banded, bubbly, woven …",
        modality="images",
        classes=47,
        train_examples=3760,
        test_examples=1880,
        subset="all of it; of the ten splits of its authors, the first",
        matching_answers={"specificity": "somewhat", "data_volume": "moderate"},
        source="Cimpoi and others, Describable Textures Dataset, University of Oxford",
        licence="for research purposes",
        download_bytes=625_239_812,
        loader="trainers.datasets.publishers:dtd",
    ),
    CatalogEntry(
        key="banking77",
        title="Questions to a bank",
        description="What customers write to a bank, by which of 77 things they want.",
        modality="text",
        classes=77,
        train_examples=10_003,
        test_examples=3080,
        subset=OFFICIAL_SPLIT,
        matching_answers={"specificity": "somewhat", "data_volume": "moderate"},
        source="Casanueva and others, PolyAI; as kept by MTEB on Hugging Face",
        licence="CC BY 4.0",
        download_bytes=1_615_000,  # the hub gives a rounded figure
        loader="trainers.datasets.publishers:hub",
    ),
    CatalogEntry(
        key="ag_news",
        title="News",
        description="News in a sentence or two: world, sport, business, science.",
        modality="text",
        classes=4,
        train_examples=100_000,
        test_examples=7600,
        subset="100,000 of 120,000 texts to learn from; the whole test",
        matching_answers={"specificity": "common", "data_volume": "large"},
        source="Zhang, Zhao and LeCun, from Gulli's AG corpus; on Hugging Face",
        licence="for research and other non-commercial use",
        download_bytes=19_820_267,
        loader="trainers.datasets.publishers:hub",
    ),
    CatalogEntry(
        key="rotten_tomatoes",
        title="Film reviews",
        description="Sentences from film reviews: for the film or against it.",
        modality="text",
        classes=2,
        train_examples=9596,
        test_examples=1066,
        subset=OFFICIAL_SPLIT,
        matching_answers={"specificity": "common", "data_volume": "large"},
        source="Pang and Lee, from Rotten Tomatoes; on Hugging Face",
        licence="none stated",
        download_bytes=881_052,
        loader="trainers.datasets.publishers:hub",
    ),
    CatalogEntry(
        key="emotion",
        title="Feelings",
        description="Short messages by the feeling that they tell of: joy, sadness, anger and "
        "others.",
        modality="text",
        classes=6,
        train_examples=18_000,
        test_examples=2000,
        subset=OFFICIAL_SPLIT,
        matching_answers={"specificity": "common", "data_volume": "large"},
        source="Saravia and others, CARER, from Twitter; on Hugging Face",
        licence="for education and research only",
        download_bytes=1_287_193,
        loader="trainers.datasets.publishers:hub",
    ),
    CatalogEntry(
        key="medical_abstracts",
        title="Medical abstracts",
        description="Summaries of medical papers, by the kind of disease.",
        modality="text",
        classes=5,
        train_examples=11_550,
        test_examples=2888,
        subset=OFFICIAL_SPLIT,
        matching_answers={"specificity": "specialised", "data_volume": "large"},
        source="Schopf, Braun and Matthes, Medical Abstracts TC Corpus; on Hugging Face",
        licence="CC BY-SA 3.0",
        download_bytes=9_610_000,  # the hub gives a rounded figure
        loader="trainers.datasets.publishers:hub",
    ),
)


def format_size(count: int) -> str:
    """Return a number of bytes as text: "345 MB"."""
    return f"{count / 1e6:,.0f} MB" if count >= 1e7 else f"{count / 1e6:,.1f} MB"


def to_markdown() -> str:
    """Return the catalog as a Markdown table, for .github/docs/downloads.md."""
    rows = ["| `--data` | download | what it holds | source | licence |", "|---|---|---|---|---|"]
    rows += [
        f"| `{row.key}` | {format_size(row.download_bytes)} | {row.description} {row.classes} "
        f"classes | {row.source} | {row.licence} |"
        for row in CATALOG.values()
    ]
    return "\n".join(rows)


def dataset_dir(key: str) -> Path:
    """Return the folder of the data set, which exists only once it was downloaded."""
    return data_dir() / "online" / look_up(CATALOG, key, "data set").key


def is_downloaded(key: str) -> bool:
    try:
        _, fields = dataset.read_stored(key)
    except UnknownKey:
        return False
    return key in CATALOG and bool(fields["classes"])  # a deleted one has none


class DownloadedDataset(dataset.StoredDataset):
    """A data set that was downloaded, for everybody who uses this Thaw."""


def get_downloaded(key: str) -> DownloadedDataset:
    """Return the downloaded data set called `key`, also if it was deleted since.

    Runs on a deleted one can still be shown; its examples cannot be loaded. Raises
    `DatasetNotDownloaded` if it was never downloaded.
    """
    row = look_up(CATALOG, key, "data set")
    try:
        _, fields = dataset.read_stored(key)
    except UnknownKey:
        raise DatasetNotDownloaded(download_hint(row)) from None
    fields |= {
        "title": row.title,
        "description": row.description,
        "matching_answers": row.matching_answers,
    }
    return DownloadedDataset(**fields | {"origin": f"real: {row.source} (licence: {row.licence})"})


def download_hint(row: CatalogEntry) -> str:
    return (
        f"{row.title} ({row.key}) is not on this computer. To download it, "
        f"{format_size(row.download_bytes)}: thaw download {row.key}"
    )


def delete(key: str) -> None:
    """Delete a downloaded data set. Raises `DatasetNotDownloaded`."""
    if not is_downloaded(key):
        raise DatasetNotDownloaded(download_hint(look_up(CATALOG, key, "data set")))
    dataset.delete(key)
