"""What a visitor told the guide, carried along in a page's address: "specificity:common,…".

One parameter for all: the guide's own, one for each question, belong to its widgets.
"""

from dataclasses import asdict

from guide import UNSURE, Answers, BadAnswer

PARAM = "answers"


def encode(answers: Answers) -> str:
    """The answers in one word; "" where every question was left open."""
    given = asdict(answers).items()
    return ",".join(f"{key}:{answer}" for key, answer in given if answer != UNSURE)


def decode(text: str) -> dict[str, str]:
    """The answers that `written` wrote; {} where the address was changed by hand into none."""
    pairs = (pair.partition(":") for pair in text.split(","))
    try:
        answers = Answers.from_mapping({key: answer for key, _, answer in pairs})
    except BadAnswer:
        return {}
    return {key: answer for key, answer in asdict(answers).items() if answer != UNSURE}
