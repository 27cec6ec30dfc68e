"""The glossary, and the topics that link to it."""

import re

import pytest

from guide.approaches import APPROACHES
from guide.glossary import GLOSSARY, search
from guide.topics import TOPICS


@pytest.mark.parametrize("term", GLOSSARY.values(), ids=GLOSSARY)
def test_a_definition_has_at_most_30_words(term):
    assert 5 <= len(term.definition.split()) <= 30
    assert term.definition[0].isupper()
    assert term.definition.endswith(".")
    assert '"' not in term.definition  # it is used in a link's title attribute
    assert set(term.see_also) <= set(GLOSSARY) - {term.key}


def test_terms_are_in_alphabetical_order():
    titles = [term.title.lower() for term in GLOSSARY.values()]
    assert titles == sorted(titles)


def test_search_covers_titles_and_definitions_and_puts_titles_first():
    hits = [term.key for term in search("FROZEN")]
    assert hits[0] == "frozen"
    assert {"lora", "transfer-learning"} <= set(hits)
    assert search("no such word") == ()
    assert len(search("")) == len(GLOSSARY)


@pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS)
def test_a_topic_has_at_most_120_words_and_links_to_existing_terms(topic):
    used = re.findall(r"\[\[([^\]|]+)", topic.text)
    assert used
    assert set(used) <= set(GLOSSARY)
    assert len(re.sub(r"\[\[([^\]|]+\|)?|\]\]", "", topic.text).split()) <= 120
    assert topic.observation.endswith(".")


def test_the_topic_ways_has_an_analogy_for_every_advisable_approach():
    advised = [approach.title for approach in APPROACHES.values() if approach.is_advisable]
    assert [f"**{title}.**" in TOPICS["ways"].text for title in advised] == [True] * 3
