"""`python -m guide`."""

import json
import subprocess
import sys

import pytest

from guide import APPROACHES, QUESTIONS, RULES, Answers, advise
from guide.__main__ import main


def test_json_has_the_advice(capsys):
    assert main(["--data-volume", "limited", "--specificity", "common", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["approach"] == "transfer"
    assert found["runner_up"] == "hybrid"
    assert [reason["key"] for reason in found["reasons"]] == ["few-examples", "everyday-task"]
    assert all(reason["because"] and reason["source"] for reason in found["reasons"])
    assert {"question": "specificity", "answer": "specialised", "approach": "hybrid"} in found[
        "changes"
    ]
    assert len(found["watch_out"]) == 5
    assert found["settings"]["what_learns"] == "head"
    assert found["answers"]["data_volume"] == "limited"


def test_every_answer_is_optional(capsys):
    assert main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out)["approach"] == "hybrid"


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda question: question.key)
def test_every_answer_is_an_option(question, capsys):
    for option in question.options:
        assert main([f"--{question.key.replace('_', '-')}", option.key, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["answers"][question.key] == option.key
        advice = advise(Answers(**{question.key: option.key}))
        assert found["approach"] == advice.approach


def test_a_dash_means_unsure(capsys):
    assert main(["--compute", "-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["answers"]["compute"] == "unsure"


def test_the_text_has_everything_in_the_advice(capsys):
    main(["--data-volume", "limited", "--compute", "minutes", "--modality", "text"])
    text = " ".join(capsys.readouterr().out.split())
    advice = advise(Answers(data_volume="limited", compute="minutes", modality="text"))
    assert text.startswith(APPROACHES[advice.approach].title)
    for rule in advice.matching_rules:
        assert rule.because in text
        assert rule.caveat in text
    assert APPROACHES[advice.runner_up].title in text
    assert advice.strength_text in text
    assert text.count("->") == len(advice.changes)
    assert f"{advice.settings.seconds} seconds" in text
    assert "minilm" in text
    for challenge in advice.challenges:
        assert challenge.thaw_checks in text


def test_the_text_has_the_first_step_without_examples(capsys):
    main(["--data-volume", "none"])
    text = " ".join(capsys.readouterr().out.split())
    assert advise(Answers(data_volume="none")).first_step in text


def test_text_stays_within_88_columns(capsys):
    main(["--data-volume", "moderate", "--specificity", "specialised", "--compute", "ample"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 88


def test_a_wrong_answer_is_one_clear_line_and_exit_2(root):
    done = subprocess.run(
        [sys.executable, "-m", "guide", "--compute", "hour", "--json"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "compute cannot be 'hour'" in line
    assert "Did you mean 'hours'?" in line


def test_reasons_are_sentences():
    assert all(rule.because.endswith(".") for rule in RULES)
