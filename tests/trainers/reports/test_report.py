"""report.html: says what the events say, needs nothing else, and lets no name be markup."""

import re
import zipfile
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from guide.approaches import APPROACHES
from trainers import jobs
from trainers.__main__ import main
from trainers.evaluation.metrics import score
from trainers.events import (
    PhaseStarted,
    PredictionsRecorded,
    RunFinished,
    ValidationDone,
    from_json,
)
from trainers.export import bundle
from trainers.jobs import Comparison
from trainers.plan import Plan
from trainers.reports.narrate import narrate_run
from trainers.reports.report import (
    ReportUnavailable,
    find_comparison,
    render_report,
    render_stored_report,
)
from trainers.reports.report_advice import format_percent, suggest_next_steps
from trainers.reports.report_figures import R_BOTTOM, R_LEFT, R_RIGHT, R_TOP
from trainers.store import get_store
from trainers.system.paths import run_dir
from trainers.training.run import run
from trainers.workers.execute import execute

HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=//evil onerror='x'>",
    "{{ 7*7 }} &amp; </style>",
]


class Page(HTMLParser):
    """Its elements, its text, and which are left open."""

    ALONE = frozenset({"meta", "br", "img", "link", "circle", "line", "polyline"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.open, self.texts = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in self.ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def finished(data: str, approach: str, **settings) -> str:
    plan = Plan(**{"data": data, "approach": approach, "seconds": 3} | settings)
    key = get_store().enqueue(plan, visitor="terminal", worker="test")
    *_, last = execute(get_store(), key, plan, run, run_dir(key))
    assert isinstance(last, RunFinished), last
    return key


def events(key: str) -> list:
    return [event for _, event in get_store().read_events(key)]


def told(key: str, **changes) -> Page:
    """The report of a run whose last event is otherwise."""
    *most, end = events(key)
    return Page(render_report(get_store().get_run(key), [*most, replace(end, **changes)]))


@pytest.mark.parametrize("approach", APPROACHES)
@pytest.mark.parametrize("data", ["colours", "words"])
def test_every_finished_run_has_one_with_its_numbers(data, approach, toy):
    key = finished(data, approach)
    html = render_stored_report(get_store().get_run(key))
    page, end = Page(html), get_store().get_run(key).result
    assert page.open == []
    assert html.startswith('<!doctype html>\n<html lang="en">')
    assert [tag for tag in page.tags if tag in ("h1", "title", "main")] == ["title", "main", "h1"]
    assert f"{end['test_right']} of {end['test_examples']} test examples right" in page.text
    assert f"{end['test_accuracy_low']:.0%} to {end['test_accuracy_high']:.0%}" in page.text
    for name, row in zip(end["classes"], end["confusion"], strict=True):
        right, tested = row[end["classes"].index(name)], sum(row)
        assert f"{name} {tested} {format_percent(right / tested)}" in page.text
    looked = [event for event in events(key) if isinstance(event, ValidationDone)]
    assert ("While it learned" in page.text) == (len(looked) > 1)
    assert key not in html
    assert "terminal" not in page.text.replace("From a terminal", "")


def test_it_asks_nobody_for_anything_and_runs_nothing(toy):
    html = render_stored_report(get_store().get_run(finished("colours", "hybrid")))
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in
                ("src", "href", "action")]  # fmt: skip
    assert "url(" not in html
    assert "@import" not in html
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def test_hostile_names_stay_text(toy):
    key = finished("colours", "transfer")
    ours = told(key)
    *most, end = events(key)
    most[0] = replace(most[0], classes=HOSTILE)
    theirs = Page(render_report(get_store().get_run(key), [*most, replace(end, classes=HOSTILE)]))
    assert sorted(theirs.tags) == sorted(ours.tags)
    for name in HOSTILE:
        assert " ".join(name.split()) in theirs.text
    assert "49" not in [text.strip() for text in theirs.texts]


def test_hostile_words_of_a_comparison_stay_text(toy):
    key = finished("colours", "transfer")
    result = get_store().get_run(key).result
    compared = {
        "runs": [result], "advised": "transfer", "advised_article": "transfer", "best": "hybrid",
        "outcome": "wrong", "verdict": "<b>x</b>", "why_wrong": "<i>y</i>", "to_do": "<u>z</u>",
        "answers": {"data_volume": "limited", "nonsense": "<s>"},
        "measured": {"data_volume": {"says": "<em>few</em>"}}, "answers_from": "data",
    }  # fmt: skip
    page = Page(render_report(get_store().get_run(key), events(key), compared))
    assert not {"b", "i", "u", "s", "em"} & set(page.tags)
    for words in ("<b>x</b>", "<i>y</i>", "<u>z</u>", "measured: <em>few</em>"):
        assert words in page.text
    unknown = compared | {"answers": {"data_volume": "<s>"}}
    assert (
        "What the rules went by"
        not in Page(render_report(get_store().get_run(key), events(key), unknown)).text
    )


def test_of_a_comparison_it_says_what_was_advised_why_and_whether_that_was_right(toy):
    answers = {"data_volume": "limited", "specificity": "common"}
    job = Comparison(data="colours", visitor="ann", approaches=("none", "transfer", "hybrid"),
                     seconds=3, pilot_seconds=0, answers=answers)  # fmt: skip
    key = get_store().enqueue(job, "ann", worker="test")
    *_, last = execute(get_store(), key, job, lambda job, **how: jobs.run_job(job, **how))
    lane = next(one for one in last.runs if one["approach"] == "transfer")
    found = get_store().get_run(lane["run"])
    assert find_comparison(found)["verdict"] == last.verdict
    text = Page(render_stored_report(found)).text
    assert last.verdict in text
    assert "So the advice was transfer learning. It is the run of this report." in text
    assert "How many examples do you have? A few (answered in the guide)" in text
    assert "memorise them" in text  # the article's reason
    for one in last.runs:
        assert f"{APPROACHES[one['approach']].title}" in text
        assert format_percent(one["test_accuracy"]) in text
    other = next(one for one in last.runs if one["approach"] == "none")
    assert (
        "It is not the run of this report."
        in Page(render_stored_report(get_store().get_run(other["run"]))).text
    )


def test_alone_it_does_not_claim_to_know_the_advice(toy):
    text = told(finished("colours", "transfer")).text
    assert "This run stood alone" in text
    assert "Compare the approaches on this data" in text
    assert "was right:" not in text


def test_alone_it_tells_the_advice_where_it_is_known_what_the_guide_was_told(toy):
    run = get_store().get_run(finished("colours", "transfer"))
    given = {"data_volume": "limited", "specificity": "common"}
    text = Page(render_stored_report(run, answers=given)).text
    assert "The article's rules point to transfer learning. It is the run of this report." in text
    assert "How many examples do you have? A few" in text
    assert "memorise them" in text  # the article's reason
    assert "not known here" not in text
    assert (
        "not known here" in Page(render_stored_report(run, answers={"data_volume": "no such"})).text
    )


def ended(confusion, **changes) -> dict:
    rights = sum(row[n] for n, row in enumerate(confusion))
    labels = [n for n, row in enumerate(confusion) for _ in range(sum(row))]
    answers = [a for row in confusion for a, count in enumerate(row) for _ in range(count)]
    found = score(labels, answers, len(confusion))
    return {
        "confusion_matrix": confusion, "test_correct": rights, "test_examples": len(labels),
        "test_accuracy": found.accuracy, "test_accuracy_low": found.low,
        "test_accuracy_high": found.high,
    } | changes  # fmt: skip


def test_a_class_that_is_clearly_served_worse_is_named_and_one_that_may_not_be_is_not(toy):
    key = finished("colours", "transfer")
    names = told(key, **ended([[100, 0, 0], [0, 100, 0], [60, 0, 40]])).text
    assert "Class blue: fewer are right than of the others together, 40% against 100%." in names
    assert "blue was taken for red: 60 of 100" in names
    assert "examples of blue that were taken for red (60)" in names
    assert (
        "No class is clearly apart from the others."
        in told(key, **ended([[5, 0, 0], [0, 5, 0], [2, 0, 3]])).text
    )
    assert (
        "No test example was answered wrong."
        in told(key, **ended([[9, 0, 0], [0, 9, 0], [0, 0, 9]])).text
    )


def test_a_class_without_a_test_example_is_not_scored(toy):
    text = told(finished("colours", "simple"), **ended([[9, 1, 0], [0, 9, 0], [0, 0, 0]])).text
    assert "blue 0 – not tested" in text


def test_many_classes_are_told_without_a_matrix(toy):
    key = finished("colours", "simple")
    count = 120
    names = [f"class {n}" for n in range(count)]
    square = [[int(a == b) * 9 + int(b == 0) for b in range(count)] for a in range(count)]
    page = told(key, **ended(square, classes=names))
    assert "Confusion matrix" not in page.text
    assert "20 more are left out" in page.text


LOOK = {
    "type": "validated", "phase": 0, "step": 1, "epoch": 1.0, "accuracy": 0.5, "loss": 0.5,
    "best": True, "train_accuracy": 0.5, "train_loss": 0.5, "watched": [], "sureness": [],
    "points": [], "point_labels": [], "point_answers": [], "seconds": 1.0,
}  # fmt: skip


def test_what_to_do_comes_from_what_happened(toy):
    key = finished("colours", "hybrid")
    most, end = events(key)[:-1], events(key)[-1]
    looks = [event for event in most if isinstance(event, ValidationDone)]
    sure = replace(end, test_accuracy_low=0.79, test_accuracy_high=0.81)

    def steps(end=sure, looks=looks, events=(), mixed=(), comparison=None):
        return " ".join(suggest_next_steps(end, looks, events, mixed, comparison))

    rough = replace(end, test_accuracy_low=0.6, test_accuracy_high=0.9)
    assert "about 15 points either way" in steps(end=rough)
    assert "either way" not in steps()
    out_of_time = [from_json({"type": "phase_done", "phase": 0, "steps": 1, "epochs": 1.0,
                              "why": "time is up", "seconds": 1.0})]  # fmt: skip
    falling = [
        from_json(LOOK | {"loss": loss, "accuracy": share})
        for loss, share in ((0.9, 0.5), (0.5, 0.7))
    ]
    flat = [replace(look, accuracy=0.7) for look in falling]
    assert "more seconds" not in steps(looks=flat, events=out_of_time)
    assert "more seconds" in steps(looks=falling, events=out_of_time)
    assert "more seconds" not in steps(looks=falling[::-1], events=out_of_time)
    better = {"runs": [{"approach": "simple", "test_accuracy": 0.95, "test_accuracy_low": 0.9}],
              "best": "transfer", "advised": "transfer", "outcome": "right"}  # fmt: skip
    assert "95% right, clearly more: no network need be trained" in steps(comparison=better)
    assert "Use transfer learning rather than the run" in steps(comparison=better)


@pytest.mark.parametrize(
    ("checks", "right", "by_heart"), [(120, 0.7, True), (120, 0.95, False), (10, 0.8, False)]
)
def test_it_is_told_to_learn_by_heart_where_the_narrator_says_so(toy, checks, right, by_heart):
    """Ten checks with two wrong are no sign of it."""
    key = finished("colours", "fine_tune")
    most, end = events(key)[:-1], events(key)[-1]
    begun = replace(most[0], train_examples=400, validation_examples=checks)
    (phase,) = [event for event in most if isinstance(event, PhaseStarted)]
    flat = [
        from_json(LOOK | {"step": n, "epoch": float(n), "accuracy": right, "best": n == 1} | one)
        for n, one in enumerate([{"accuracy": 0.1}, {}, {"train_accuracy": 1.0, "loss": 0.6}])
    ]
    told = [begun, phase, *flat, end]
    assert ("memorising" in narrate_run(told).text) == by_heart
    assert ("by heart" in " ".join(suggest_next_steps(end, flat, told, (), None))) == by_heart


def test_only_a_run_with_a_score_has_a_report(toy):
    waiting = get_store().enqueue(Plan(data="colours", approach="transfer"), visitor="ann")
    with pytest.raises(ReportUnavailable, match="no finished run"):
        render_stored_report(get_store().get_run(waiting))


def test_it_lies_in_the_zip(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "_verify_bundle", lambda folder: None)
    key = finished("colours", "simple")
    file = bundle.export_bundle(key, tmp_path / "model.zip")
    with zipfile.ZipFile(file) as packed:
        (name,) = [name for name in packed.namelist() if name.endswith("/report.html")]
        assert packed.read(name).decode() == render_stored_report(get_store().get_run(key))
        (card,) = [name for name in packed.namelist() if name.endswith("/README.md")]
        assert b"`report.html`" in packed.read(card)


def test_the_terminal_writes_it(toy, tmp_path, capsys):
    to = tmp_path / "report.html"
    assert main(["report", "last", "--to", str(to)]) == 2
    assert "No run was finished" in capsys.readouterr().err
    key = finished("colours", "simple")
    for name in (key, "last"):
        assert main(["report", name, "--to", str(to)]) == 0
        assert to.read_text("utf-8") == render_stored_report(get_store().get_run(key))
        to.unlink()
    capsys.readouterr()
    assert main(["report", "nobody", "--to", str(to)]) == 2
    assert main(["report", key, "--to", str(tmp_path / "no" / "such.html")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_how_sure_it_was_is_drawn_against_how_often_it_was_right(toy):
    key = finished("words", "transfer")
    labels, answers = [0] * 80, [0] * 38 + [1] * 2 + [0] * 20 + [1] * 20
    said = [0.92] * 40 + [0.52] * 40
    chosen = PredictionsRecorded(labels, answers, [0.99] * 80, 1.0, calibrated_confidence=said)

    def told(of: PredictionsRecorded) -> str:
        told = [of if isinstance(one, PredictionsRecorded) else one for one in events(key)]
        return render_report(get_store().get_run(key), told)

    html = told(chosen)
    page = Page(html)
    assert page.open == []
    assert "On average it says 72%, and 72% are right" in page.text
    assert "are corrected (by a temperature" in page.text
    for counts in ("says 92%: right 38 of 40", "says 52%: right 20 of 40"):
        assert counts in page.text
    # 52 % lies a fifth along an axis from 40 to 100 %; half of those are right.
    across = R_LEFT + 0.2 * (R_RIGHT - R_LEFT)
    assert f'cx="{across:.1f}" cy="{(R_TOP + R_BOTTOM) / 2:.1f}" r="5"' in html
    assert "are corrected" not in told(replace(chosen, calibrated_confidence=[], confidence=said))


def test_without_probabilities_nothing_is_drawn_of_them(toy):
    assert "right as often as it is sure" not in render_stored_report(
        get_store().get_run(finished("words", "none"))
    )


def test_the_sureness_of_single_answers_is_not_in_it(toy):
    """No example, and nothing about a single one: the page is passed on."""
    key = finished("words", "transfer")
    (answered,) = [event for event in events(key) if isinstance(event, PredictionsRecorded)]
    html = render_stored_report(get_store().get_run(key))
    assert not [
        sure for sure in answered.confidence if re.search(rf"\b{sure}\b", html) and sure < 1
    ]
    for word in ("brick", "moss", "ink"):
        assert word not in html
