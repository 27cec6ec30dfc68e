"""`python -m trainers advise`: a data set looked over, as a page of text or as JSON."""

import textwrap
from collections.abc import Iterator
from dataclasses import asdict, replace

from guide import QUESTIONS, UNSURE, Advice, Answers, advise
from guide.__main__ import in_words
from trainers.events import Done, Progress, Stage
from trainers.jobs import Checkup
from trainers.tasks.data_check import checkup

COLUMNS = 88  # as the guide's own page


def look(data: str, backbone: str, seconds: float) -> dict:
    """What looking over `data` found (see trainers/jobs.py), told on stderr as it goes."""
    from tqdm import tqdm

    job = Checkup(data=data, backbone=backbone, seconds=seconds)
    with tqdm(bar_format="{desc}", leave=False, disable=None) as bar:
        for event in checkup(job, stop=lambda: False):
            match event:
                case Stage():
                    stage = event.text
                    bar.set_description_str(stage)
                case Progress():
                    bar.set_description_str(f"{stage}: {event.done:,} of {event.total:,}")
                case Done():
                    return event.found
    raise RuntimeError("The look at the data ended without a result.")


def as_document(found: dict) -> dict:
    """What `python -m guide --json` prints for these answers, and what they rest on."""
    answers = Answers(**found["answers"])
    beside = {key: found[key] for key in ("evidence", "findings", "checked", "facts")}
    return advise(answers).as_json() | {"answers": asdict(answers)} | beside


def as_page(found: dict, backbone: str = "") -> str:
    """The answers with their evidence, what was found, and the advice, with `backbone` where one
    was asked for; 88 columns wide."""
    advice = in_words(for_this(found, backbone))
    return "\n".join([*_answers(found), *_faults(found), "", advice])


def for_this(found: dict, backbone: str = "") -> Advice:
    """The advice, with settings for this data and budget in place of the guide's for any."""
    advice, evidence = advise(Answers(**found["answers"])), found["evidence"]
    counts = evidence["data_volume"]
    # All of them, as a run without --per-class takes; the same of each class is a number to say.
    even = counts["most"] if counts["fewest"] == counts["most"] else None
    return replace(
        advice,
        settings=replace(
            advice.settings,
            backbone=backbone or advice.settings.backbone,
            seconds=evidence["compute"]["budget_seconds"],
            per_class=even if counts["examples"] else advice.settings.per_class,
        ),
    )


def _answers(found: dict) -> Iterator[str]:
    yield "What the data says (suggestions: yours to overrule with python -m guide):"
    for key, question in QUESTIONS.items():
        if key not in found["evidence"]:
            continue
        answer = found["answers"][key]
        titles = {option.key: option.title for option in question.options} | {UNSURE: "Not sure"}
        yield ""
        yield from _wrapped(f"{question.title} {titles[answer]}.", "  ")
        yield from _wrapped(found["evidence"][key]["says"], "    ")


def _faults(found: dict) -> Iterator[str]:
    remarks = found["facts"]["remarks"]
    if found["findings"] or remarks:
        yield from ("", "Worth knowing:")
    for finding in found["findings"]:
        yield from _wrapped(f"{finding['title'].rstrip('.')}. {finding['effect']}", "  - ")
    for remark in remarks:
        yield from _wrapped(remark, "  - ")
    if found["checked"] and not found["findings"]:
        yield ""
        yield from _wrapped(f"No faults found. Looked at: {', '.join(found['checked'])}.", "")


def _wrapped(text: str, bullet: str) -> list[str]:
    return textwrap.wrap(
        text, width=COLUMNS, initial_indent=bullet, subsequent_indent=" " * len(bullet)
    )
