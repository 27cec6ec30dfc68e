"""Architecture and data held against each other, before a run starts."""

from trainers.backbones import MAX_THUMBNAIL_PX, Backbone
from trainers.datasets import DatasetFacts

# A picture so much smaller than the network's window gains nothing; ours.
UPSCALE_WARNING_FACTOR = 2.0
DOWNSCALE_WARNING_FACTOR = 3.0  # one so much larger loses what is small in it; ours
WORDS_PER_TOKEN = 0.75  # 0.63 to 0.85 on the bundled and the shared English texts

LANGUAGES = {  # of people who may come here; others are named by their code
    "ar": "Arabic",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "hu": "Hungarian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sv": "Swedish",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Chinese",
}


def list_remarks(backbone: Backbone, facts: DatasetFacts) -> tuple[str, ...]:
    """Return why this backbone may do less well on this data, a sentence or two each.

    () if it fits.
    """
    return (
        _list_image_remarks(backbone, facts)
        if backbone.modality == "images"
        else _list_text_remarks(backbone, facts)
    )


def _list_image_remarks(backbone: Backbone, facts: DatasetFacts) -> tuple[str, ...]:
    remarks = []
    if facts.grey:
        remarks.append(
            "These pictures are grey, and the pre-trained model learned from colour pictures. "
            "That works; it cannot use what it knows of colours."
        )
    if facts.side_px and backbone.image_px:
        times = facts.side_px / backbone.image_px
        sizes = (
            f"about {facts.side_px} pixels wide, and the pre-trained model looks at "
            f"{backbone.image_px}"
        )
        if times * UPSCALE_WARNING_FACTOR <= 1 and backbone.image_px > MAX_THUMBNAIL_PX:
            remarks.append(
                f"These pictures are {sizes}: they are enlarged, which costs time and adds no "
                "detail. Small ResNet, made for small pictures, may do as well sooner."
            )
        elif times >= DOWNSCALE_WARNING_FACTOR:
            remarks.append(
                f"These pictures are {sizes}: small details are lost. Another pre-trained model "
                "(the backbone, an expert setting), EfficientNet-Lite2, looks at 260 pixels; it "
                "comes with Thaw, and takes longer."
            )
    return tuple(remarks)


def _list_text_remarks(backbone: Backbone, facts: DatasetFacts) -> tuple[str, ...]:
    remarks = []
    if facts.language and backbone.languages and facts.language not in backbone.languages:
        remarks.append(
            f"These texts seem to be {_language_name(facts.language)}, and the "
            "pre-trained model was "
            f"trained on {' and '.join(map(_language_name, backbone.languages))}: it "
            "knows few of the "
            "words. The backbone e5_small reads about a hundred languages."
        )
    if backbone.max_tokens and facts.words > backbone.max_tokens * WORDS_PER_TOKEN:
        remarks.append(
            f"Some texts have {facts.words:,} words or more, and the pre-trained model reads about "
            f"the first {backbone.max_tokens * WORDS_PER_TOKEN:.0f}. What comes later is not seen."
        )
    return tuple(remarks)


def _language_name(language: str) -> str:
    return LANGUAGES.get(language, f"in the language {language!r}")
