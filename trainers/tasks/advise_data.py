"""`thaw advise`: check a data set, and show the advice as a page of text or as JSON."""

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
    """Return the result of a `DataCheck` of `data`, with its progress on stderr."""
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
    raise RuntimeError("The data check ended without a result.")


def to_document(result: dict) -> dict:
    """Return what `python -m guide --json` prints for these answers, and their evidence."""
    answers = Answers(**result["answers"])
    beside = {key: result[key] for key in ("evidence", "findings", "checked", "facts")}
    return advise(answers).as_json() | {"answers": asdict(answers)} | beside


def format_page(result: dict, backbone: str = "") -> str:
    """Return the answers with their evidence, the findings and the advice, 88 columns wide."""
    advice = format_advice(advise_for_data(result, backbone))
    return "\n".join([*_format_answers(result), *_format_findings(result), "", advice])


def advise_for_data(result: dict, backbone: str = "") -> Advice:
    """Return the guide's advice with the settings for this data and budget."""
    advice, evidence = advise(Answers(**result["answers"])), result["evidence"]
    counts = evidence["data_volume"]
    # A number only where every class has as many; else a run takes all, as without the option.
    per_class = counts["most"] if counts["fewest"] == counts["most"] else None
    return replace(
        advice,
        settings=replace(
            advice.settings,
            backbone=backbone or advice.settings.backbone,
            seconds=evidence["compute"]["budget_seconds"],
            examples_per_class=per_class
            if counts["examples"]
            else advice.settings.examples_per_class,
        ),
    )


def _format_answers(result: dict) -> Iterator[str]:
    yield "What the data says (change any answer with python -m guide):"
    for key, question in QUESTIONS.items():
        if key not in result["evidence"]:
            continue
        answer = result["answers"][key]
        titles = {option.key: option.title for option in question.options} | {UNSURE: "Not sure"}
        yield ""
        yield from _wrap(f"{question.title} {titles[answer]}.", "  ")
        yield from _wrap(result["evidence"][key]["says"], "    ")


def _format_findings(result: dict) -> Iterator[str]:
    remarks = result["facts"]["remarks"]
    if result["findings"] or remarks:
        yield from ("", "Worth knowing:")
    for finding in result["findings"]:
        yield from _wrap(f"{finding['title'].rstrip('.')}. {finding['effect']}", "  - ")
    for remark in remarks:
        yield from _wrap(remark, "  - ")
    if result["checked"] and not result["findings"]:
        yield ""
        yield from _wrap(f"No faults found. Looked at: {', '.join(result['checked'])}.", "")


def _wrap(text: str, bullet: str) -> list[str]:
    return textwrap.wrap(
        text, width=PAGE_WIDTH, initial_indent=bullet, subsequent_indent=" " * len(bullet)
    )
