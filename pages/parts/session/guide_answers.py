"""The visitor's answers in the guide, as one URL parameter: "specificity:common,…".

The guide page itself has one parameter a question, which its widgets own.
"""

from dataclasses import asdict

from guide import UNSURE, Answers, BadAnswer

PARAM = "answers"


def encode(answers: Answers) -> str:
    """Return the answers as a string, "" if every question is open."""
    pairs = asdict(answers).items()
    return ",".join(f"{key}:{answer}" for key, answer in pairs if answer != UNSURE)


def decode(text: str) -> dict[str, str]:
    """Return the answers that `encode` wrote, {} if the text is not valid."""
    pairs = (pair.partition(":") for pair in text.split(","))
    try:
        answers = Answers.from_mapping({key: answer for key, _, answer in pairs})
    except BadAnswer:
        return {}
    return {key: answer for key, answer in asdict(answers).items() if answer != UNSURE}
