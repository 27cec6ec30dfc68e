"""The section "Why this answer" of a finished run."""

import pytest
from addresses import address
from test_pages import RUN, buttons, finished, shown_run, words

from pages.parts.closer import why
from trainers.events import Answered, Done, Failed
from trainers.home import run_folder
from trainers.store import store

ANSWERED = Answered([0, 0, 1, 1, 0], [1, 0, 1, 0, 1], [0.6, 0.9, 0.8, 0.95, 0.7], 3.0)
PICTURE = {
    "what": "picture",
    "answer": 0,
    "sureness": 0.95,
    "measure": "probability",
    "change": [[0.0, 0.4], [0.0, -0.2]],
    "picture": "data:image/png;base64,AAAA",
}
TEXT = {"what": "text", "answer": 1, "sureness": 0.4, "measure": "likeness",
        "words": [["<b>bad</b> ", 0.3], ["*word*", -0.1]]}  # fmt: skip


def asked(answered=ANSWERED, model=True):
    """The section of a run of one's own."""
    at = shown_run([*RUN, *([answered] if answered else []), finished()])
    (run,) = store().of_visitor("someone")
    if model:
        run_folder(run.id).mkdir(parents=True)
        (run_folder(run.id) / "model.safetensors").write_bytes(b"")
    at.session_state["section"] = "why"
    at.session_state["visitor"] = "someone"
    return at.run(), run.id


def explained(found):
    at, run = asked()
    next(one for one in at.button if one.label == "Show what it rests on").click()
    at.run()
    job = store().latest("explain", run)
    store().append(job.id, [found])
    return at.run(), job


def test_the_surest_mistakes_come_first_then_right_answers_of_each_class():
    assert why.to_choose(ANSWERED) == [3, 4, 0, 1, 2]
    unsure = Answered(ANSWERED.labels, ANSWERED.answers, [], 3.0)
    assert why.to_choose(unsure) == [0, 3, 4, 1, 2]
    named = why.called(3, ANSWERED, ["<b>cat</b>", "dog"])
    assert named == "Wrong: says <b>cat</b>, 95% sure; it is dog (test example 4)"


def test_an_answer_is_asked_about_in_a_worker_when_its_button_is_pressed():
    at, run = asked()
    assert not at.exception
    assert store().latest("explain", run) is None
    next(one for one in at.button if one.label == "Show what it rests on").click()
    at.run()
    job = store().latest("explain", run)
    assert (job.plan.key, job.plan.item, job.plan.label) == (run, 3, 0)
    assert at.get("progress")[-1].proto.text == "Waiting for a free process."
    assert "Show what it rests on" not in buttons(at)


def test_the_truth_can_be_asked_about_too():
    at, run = asked()
    at.session_state["why_label_3"] = 1
    at.run()
    next(one for one in at.button if one.label == "Show what it rests on").click()
    at.run()
    assert store().latest("explain", run).plan.label == 1


@pytest.mark.parametrize(("found", "says"), [
    (PICTURE, "rests most on the upper right"),
    (TEXT, "by so much its likeness falls without the word"),
])  # fmt: skip
def test_what_was_found_is_said_in_words_and_never_without_its_limits(found, says):
    at, _ = explained(Done(found, 1.0))
    assert not at.exception
    assert says in words(at)
    assert why.LIMITS in words(at)
    assert len(at.dataframe) == 1
    assert not any(one.allow_html for one in at.markdown)


def test_a_visitors_words_are_text():
    at, _ = explained(Done(TEXT, 1.0))
    assert "\\*word" not in words(at)  # it speaks against, so it is not named
    assert "\\<b\\>bad\\</b\\>" in words(at)


def test_what_went_wrong_is_said():
    at, _ = explained(Failed("The data of this run was deleted.", 1.0))
    assert "The data of this run was deleted" in words(at)


@pytest.mark.parametrize("given", [{"answered": None}, {"model": False}])
def test_without_a_model_or_answers_there_is_nothing_to_press(given):
    at, _ = asked(**given)
    assert not at.exception
    assert "left no model here" in words(at)
    assert "Show what it rests on" not in buttons(at)


def test_examples_of_ones_own_are_explained_to_nobody_else(monkeypatch):
    at, run = asked()
    find = type(store()).find

    def own(self, key):
        run = find(self, key)
        object.__setattr__(run.plan, "data", "own-0123456789abcdef")
        return run

    at.query_params.clear()
    at.query_params.update(address(run, "another"))
    monkeypatch.setattr(type(store()), "find", own)
    at.session_state["visitor"] = "another"
    at.run()
    assert "only in the browser of who added them" in words(at)
    assert "Show what it rests on" not in buttons(at)
