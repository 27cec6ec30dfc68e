"""What a page says to those who do not see its charts or colours, or do not know its words."""

import re
from dataclasses import replace

import pytest

from guide.glossary import GLOSSARY
from pages.parts.figures import chart_text, comparison_charts, run_snapshot as tell
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.widgets.glossary import TermLinker
from tests.pages.test_compare_page import compared, comparison_page
from tests.pages.test_pages import RUN, app, finished, look, shown_run

WORD = re.compile(r"\[[^]]*]\(#word-([\w-]+) ")
APPROACHES = ("transfer", "fine_tune", "hybrid", "scratch")


def words_of(at) -> list[str]:
    texts = [*at.markdown, *at.caption]
    return [key for text in texts for key in WORD.findall(text.value)]


@pytest.mark.parametrize(
    "page", ["guide", "data", "run", "compare", "claims", "runs", "room", "learn"]
)
def test_every_page_explains_its_words_and_no_word_twice(page):
    explained = words_of(app(f"{page}.py"))
    assert explained
    assert set(explained) <= set(GLOSSARY)
    assert len(explained) == len(set(explained))


def test_results_explain_their_words():
    validated = [replace(RUN[0], validation_examples=40), *RUN[1:], finished()]
    assert {"test", "validation", "weights"} <= set(words_of(shown_run(validated)))
    assert {"test", "interval", "macro-f1"} <= set(words_of(comparison_page(3, compared())))


def test_only_the_first_mention_becomes_a_word():
    explain = TermLinker("frozen", "validation|checks")
    assert explain("Frozen, and frozen.").count("#word-frozen") == 1
    assert "#word" not in explain("It is frozen.")
    assert explain("On the checks.").startswith("On the [checks](#word-validation")


def test_words_leave_links_and_longer_words_as_they_are():
    assert (
        TermLinker("frozen")("[frozen ice](page) and unfrozen") == "[frozen ice](page) and unfrozen"
    )
    both = TermLinker("frozen", "thaw")("frozen")  # what explains the first names the second
    assert both.count("](#word-") == 1


def test_a_curve_is_told_in_words_and_as_a_table():
    told = tell.fold_events([*RUN, finished()])
    said = chart_text.describe_accuracy(told)
    assert "50% were right at the start and 90% after 2.5 seconds" in said
    assert "without any training 60%" in said
    assert "0.50 at the start, 0.10 after 2.5 seconds" in chart_text.describe_loss(told)
    table = chart_text.format_table(told)
    assert len(table) == 2 + len(told.evaluations)
    assert table[-1] == "| 2.5 | 5.0 | 90% | 90% | 0.10 |"
    assert chart_text.describe_accuracy(tell.fold_events([])) == chart_text.NO_VALUE


def test_the_table_of_a_long_curve_stays_short_and_keeps_its_ends():
    table = chart_text.format_table(
        tell.RunSnapshot(evaluations=[look(seconds=n) for n in range(200)])
    )
    assert len(table) <= 2 + chart_text.MAX_ROWS + 3
    assert table[2].startswith("| 0.0 ")
    assert table[-1].startswith("| 199.0 ")


def test_the_map_and_the_layers_are_told_in_words():
    told = tell.fold_events(RUN)
    assert "Of 2 checks on the map 1 are right" in chart_text.describe_map(told)
    assert "answer: 10 of 10 numbers learn" in chart_text.describe_layers(told.phases[0])
    assert "stem: frozen, 100 numbers" in chart_text.describe_layers(told.phases[0])


def test_a_finished_run_hands_out_its_curves_as_a_table():
    at = shown_run([*RUN, finished()])
    assert "The curves as a table" in {one.label for one in at.expander}


@pytest.mark.parametrize(
    "draw",
    [
        comparison_charts.accuracy_race,
        lambda s: comparison_charts.accuracy_comparison(list(s.items())),
    ],
)
def test_curves_differ_by_more_than_colour(draw):
    told = tell.fold_events(RUN)
    drawn = draw(dict.fromkeys(APPROACHES, told))["data"]
    assert len({line["marker"]["symbol"] for line in drawn}) == len(APPROACHES)


def test_approaches_differ_by_mark_everywhere():
    assert len({one.mark for one in APPROACH_STYLES.values()}) == len(APPROACH_STYLES)
    runs = [finished(approach).as_json() for approach in APPROACH_STYLES]
    drawn = comparison_charts.accuracy_against_cost(runs)["data"]
    assert len({line["marker"]["symbol"].removesuffix("-open") for line in drawn}) == len(
        APPROACH_STYLES
    )


def test_what_took_no_time_is_still_on_the_chart():
    runs = [finished("simple", seconds=0.01).as_json(), finished("hybrid").as_json()]
    drawn = comparison_charts.accuracy_against_cost(runs)
    (least,) = drawn["data"][0]["x"]
    assert 10 ** drawn["layout"]["xaxis"]["range"][0] < least


@pytest.mark.parametrize("page", ["guide", "data", "run", "runs", "learn"])
def test_no_label_holds_marks_that_would_be_read_out(page):
    at = app(f"{page}.py")
    kinds = (
        "radio",
        "selectbox",
        "slider",
        "select_slider",
        "toggle",
        "text_input",
        "button_group",
    )
    labels = [one.proto.label for kind in kinds for one in at.get(kind)]
    assert labels
    assert not any("**" in label for label in labels)
