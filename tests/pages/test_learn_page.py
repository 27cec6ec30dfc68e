"""The Learn page, its figures and drawings, and the glossary."""

import ast
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from guide.approaches import APPROACHES
from guide.glossary import GLOSSARY
from guide.topics import TOPICS
from pages.parts.figures import lesson_charts, lesson_drawings
from pages.parts.widgets.glossary import link_marked_terms, link_term
from trainers import datasets
from trainers.lessons import PLANE_HALF_WIDTH, live, load_lessons
from trainers.plan import Plan
from trainers.system.registry import UnknownKey

ROOT = Path(__file__).parents[2]
FRAME = ROOT / "pages" / "frame.py"


def learn_page(**address):
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    for name, value in address.items():
        at.query_params[name] = value
    return at.switch_page("learn.py").run()


def words(at):
    return "\n".join(
        element.value for kind in ("markdown", "caption") for element in getattr(at, kind)
    )


@pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS)
def test_a_topic_opens_by_its_address(topic):
    at = learn_page(topic=topic.key)
    assert not at.exception
    shown = words(at)
    assert f"## {topic.heading}" in shown
    assert topic.observation in shown
    assert "[[" not in shown
    assert "{" not in shown


def test_the_first_topic_is_shown_without_a_valid_address():
    for at in (learn_page(), learn_page(topic="nothing")):
        assert TOPICS["ways"].heading in words(at)


def test_choosing_a_topic_changes_the_address():
    at = learn_page(topic="lora")
    at.get("button_group")[0].set_value("hybrid").run()
    assert TOPICS["hybrid"].heading in words(at)
    assert at.query_params["topic"] in ("hybrid", ["hybrid"])


def test_the_slider_chooses_the_thawed_layers():
    at = learn_page(topic="thaw")
    case = load_lessons()["thaw"][0]
    at.slider(key="thawed").set_value(4).run()
    assert f"The head and 4 layers learn: **{case['unseen'][4]:.0%}** of new points" in words(at)


def test_redraw_buttons_change_the_sample():
    for topic, button in (("few", "marks-button"), ("interval", "tests-button")):
        at = learn_page(topic=topic)
        before = words(at)
        at.button(key=button).click().run()
        assert not at.exception
        assert words(at) != before


def test_the_glossary_is_searched():
    at = learn_page(topic="words")
    assert all(f"**{term.title}**" in words(at) for term in GLOSSARY.values())
    at.text_input(key="asked").set_value("macro").run()
    assert "**macro-F1**" in words(at)
    assert "**seed**" not in words(at)
    at.text_input(key="asked").set_value("xyzzy").run()
    assert "No such word" in words(at)


@pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS)
def test_see_it_on_data_fills_in_the_run_page_with_a_valid_plan(topic):
    settings = topic.query_params
    per_class, seconds = int(settings.pop("per_class")), int(settings.pop("seconds"))
    settings |= {"trainable": settings.pop("what_learns", "auto")}
    Plan(**settings, examples_per_class=per_class, seconds=seconds)
    assert per_class <= datasets.get_dataset(settings["data"]).train_examples_per_class
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    for name, value in topic.query_params.items():
        at.query_params[name] = value
    at = at.switch_page("run.py").run()
    assert not at.exception
    assert at.get("button_group")[0].value == settings["approach"]
    assert at.selectbox(key="data").value == settings["data"]
    assert at.slider[0].value == per_class
    assert at.select_slider(key="seconds").value == seconds
    assert at.radio(key="what_learns").value == settings["trainable"]


def test_the_decision_boundary_is_that_of_the_lesson():
    case = load_lessons()["thaw"][0]
    surface, _, *marks = lesson_charts.decision_boundary(case, 0, PLANE_HALF_WIDTH)["data"]
    assert len(surface["z"]) == len(surface["z"][0]) == len(surface["x"])
    assert surface["x"][0] == pytest.approx(-PLANE_HALF_WIDTH)
    assert surface["x"][-1] == pytest.approx(PLANE_HALF_WIDTH)
    assert {0 <= value <= 1 for row in surface["z"] for value in row} == {True}
    assert sum(len(trace["x"]) for trace in marks) == case["examples"]
    assert len({trace["marker"]["symbol"] for trace in marks}) == 2
    thawed, *_ = lesson_charts.decision_boundary(case, 4, PLANE_HALF_WIDTH)["data"]
    assert thawed["z"] != surface["z"]


def test_an_interval_that_misses_the_truth_has_another_marker():
    intervals = [live.ScoreInterval(0.8, 0.7, 0.9), live.ScoreInterval(0.5, 0.4, 0.6)]
    holds, misses = lesson_charts.repeated_tests(intervals, 0.8)["data"]
    assert holds["x"] == [80]
    assert misses["x"] == [50]
    assert holds["marker"]["symbol"] != misses["marker"]["symbol"]


def test_bars_name_the_answer_and_the_truth():
    bars = lesson_charts.class_similarity(["a", "b", "c"], [0.1, 0.5, 0.2], 2)["data"][0]
    assert bars["text"] == ["", "answer, wrong", "the truth"]
    assert lesson_charts.class_similarity(["a", "b"], [0.1, 0.5], 1)["data"][0]["text"] == [
        "",
        "answer, right",
    ]


def test_figures_have_a_height_and_keep_their_zoom():
    case = load_lessons()["thaw"][0]
    fits = live.compare_fits(12, 0)
    figures = [
        lesson_charts.decision_boundary(case, 0, PLANE_HALF_WIDTH),
        lesson_charts.accuracy_by_layers(case, 2),
        lesson_charts.model_fits(fits),
        lesson_charts.fit_errors(fits),
        lesson_charts.approach_curves(load_lessons()["hybrid"]),
        lesson_charts.class_similarity(["a", "b"], [0.1, 0.5], 1),
        lesson_charts.accuracy_by_shots(load_lessons()["shots"]),
        lesson_charts.run_curve(load_lessons()["curves"]["well"]),
        lesson_charts.repeated_tests(live.simulate_scores(20, 0.8, 20, 0), 0.8),
    ]
    for figure in figures:
        assert figure["layout"]["height"] > 0
        assert figure["layout"]["uirevision"]


DRAWINGS = {
    **{
        f"likeness-{key}": lesson_drawings.approach_analogy(key)
        for key, row in APPROACHES.items()
        if row.is_advisable
    },
    "filters": lesson_drawings.filter_grid(load_lessons()["filters"], 0),
    "lora": lesson_drawings.lora_diagram(8, 384),
    "thawing": lesson_drawings.thawing_animation(),
    "chat": lesson_drawings.encoder_and_chat_model(),
}


@pytest.mark.parametrize("svg", DRAWINGS.values(), ids=DRAWINGS)
def test_drawings_are_valid_svg_with_a_text_alternative(svg):
    root = ET.fromstring(svg)  # noqa: S314 - our own
    assert root.attrib["role"] == "img"
    assert len(root.attrib["aria-label"].split()) > 10


def test_drawings_respect_reduced_motion():
    moving = [svg for svg in DRAWINGS.values() if "animation" in svg]
    assert moving
    for svg in moving:
        style = ET.fromstring(svg).find("style").text  # noqa: S314 - our own
        assert style.startswith("@media (prefers-reduced-motion: no-preference) {")
        assert svg.count("animation:") == style.count("animation:")


def test_the_lora_diagram_has_its_parameter_counts():
    assert "6,144 numbers, 4.2%" in lesson_drawings.lora_diagram(8, 384)


def test_a_term_links_to_its_definition():
    definition = GLOSSARY["backbone"].definition
    assert link_term("backbone") == f'[backbone](#word-backbone "{definition}")'
    assert link_marked_terms("A [[backbone|body]].") == f'A [body](#word-backbone "{definition}").'
    with pytest.raises(UnknownKey, match="backbone"):
        link_term("backbon")


def test_the_guides_advice_links_terms():
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    assert "(#word-backbone " in words(at)


# Terms that visitors may not know, and their keys in the glossary.
TERMS = {
    r"backbone": "backbone",
    r"\bhead\b": "head",
    r"frozen|\bfreez": "frozen",
    r"\bthaws?\b": "thaw",
    r"\bLoRA\b": "lora",
    r"epochs?\b": "epoch",
    r"validation|\bchecks\b": "validation",
    r"overfitting|by heart|memoris": "overfitting",
    r"\bintervals?\b": "interval",
    r"macro-F1": "macro-f1",
    r"\bloss\b": "loss",
    r"\bseeds?\b": "seed",
    r"confusion": "confusion-matrix",
    r"learning curves?": "learning-curve",
    r"learning rate": "learning-rate",
    r"zero-shot": "zero-shot",
    r"few-shot": "few-shot",
    r"fine-tun": "fine-tuning",
    r"transfer learning": "transfer-learning",
    r"hybrid": "hybrid",
    r"from scratch": "from-scratch",
    r"pre-trained": "pre-trained",
    r"features?\b": "features",
    r"\bweights\b": "weights",
    r"encoders?\b": "encoder",
    r"baseline": "baseline",
    r"\blabels?\b": "label",
    r"training examples": "training-examples",
}


@pytest.fixture(scope="module")
def page_texts():
    """Return the texts of pages and guide: every string literal with a space in it."""
    files = [*(ROOT / "pages").rglob("*.py"), *(ROOT / "guide").glob("*.py")]
    return [
        node.value
        for path in files
        if path.name not in ("glossary.py", "__main__.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    ]


@pytest.mark.parametrize(("pattern", "key"), TERMS.items(), ids=TERMS.values())
def test_a_term_of_the_pages_is_in_the_glossary(pattern, key, page_texts):
    if any(re.search(pattern, text, re.IGNORECASE) for text in page_texts):
        assert key in GLOSSARY
