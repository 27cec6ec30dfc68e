"""`python -m trainers advise`: a data set looked over, as a page of text or as JSON."""

import textwrap
from collections.abc import Iterator
from dataclasses import asdict, replace

from guide import QUESTIONS, UNSURE, Advice, Answers, advise
from guide.__main__ import format_advice
from trainers.events import JobDone, Progress, Stage
from trainers.jobs import DataCheck
from trainers.tasks.data_check import run_data_check

PAGE_WIDTH = 88  # as the guide's own page


def check_data(data: str, backbone: str, seconds: float) -> dict:
    """What looking over `data` found (see trainers/jobs.py), told on stderr as it goes."""
    from tqdm import tqdm

    job = DataCheck(data=data, backbone=backbone, seconds=seconds)
    with tqdm(bar_format="{desc}", leave=False, disable=None) as bar:
        for event in run_data_check(job, should_stop=lambda: False):
            match event:
                case Stage():
                    stage = event.text
                    bar.set_description_str(stage)
                case Progress():
                    bar.set_description_str(f"{stage}: {event.done:,} of {event.total:,}")
                case JobDone():
                    return event.result
    raise RuntimeError("The look at the data ended without a result.")


def to_document(found: dict) -> dict:
    """What `python -m guide --json` prints for these answers, and what they rest on."""
    answers = Answers(**found["answers"])
    beside = {key: found[key] for key in ("evidence", "findings", "checked", "facts")}
    return advise(answers).as_json() | {"answers": asdict(answers)} | beside


def format_page(found: dict, backbone: str = "") -> str:
    """The answers with their evidence, what was found, and the advice, with `backbone` where one
    was asked for; 88 columns wide."""
    advice = format_advice(advise_for_data(found, backbone))
    return "\n".join([*_format_answers(found), *_format_findings(found), "", advice])


def advise_for_data(found: dict, backbone: str = "") -> Advice:
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


def _format_answers(found: dict) -> Iterator[str]:
    yield "What the data says (suggestions: yours to overrule with python -m guide):"
    for key, question in QUESTIONS.items():
        if key not in found["evidence"]:
            continue
        answer = found["answers"][key]
        titles = {option.key: option.title for option in question.options} | {UNSURE: "Not sure"}
        yield ""
        yield from _wrap(f"{question.title} {titles[answer]}.", "  ")
        yield from _wrap(found["evidence"][key]["says"], "    ")


def _format_findings(found: dict) -> Iterator[str]:
    remarks = found["facts"]["remarks"]
    if found["findings"] or remarks:
        yield from ("", "Worth knowing:")
    for finding in found["findings"]:
        yield from _wrap(f"{finding['title'].rstrip('.')}. {finding['effect']}", "  - ")
    for remark in remarks:
        yield from _wrap(remark, "  - ")
    if found["checked"] and not found["findings"]:
        yield ""
        yield from _wrap(f"No faults found. Looked at: {', '.join(found['checked'])}.", "")


def _wrap(text: str, bullet: str) -> list[str]:
    return textwrap.wrap(
        text, width=PAGE_WIDTH, initial_indent=bullet, subsequent_indent=" " * len(bullet)
    )
