"""Learn: the ideas behind the approaches, one at a time, each with something to move."""

import streamlit as st

from guide.approaches import APPROACHES
from guide.topics import TOPICS, Topic
from pages.parts.lessons.glossary import draw_glossary
from pages.parts.lessons.topics import TOPIC_DRAWERS
from pages.parts.widgets.glossary import link_marked_terms
from trainers import datasets
from trainers.lessons import load_lessons
from trainers.training.recipes import LORA_RANK

GLOSSARY_TOPIC = "words"  # the topic that is the glossary


def choose_topic() -> str:
    """Draw the list of topics and return the chosen one, which is in the address."""
    titles = {key: topic.title for key, topic in TOPICS.items()} | {GLOSSARY_TOPIC: "Words"}
    linked = st.query_params.get("topic")
    if linked in titles:  # a link may have changed it
        st.session_state["topic"] = linked
    chosen = st.pills(
        "Topics",
        list(titles),
        default=None if "topic" in st.session_state else next(iter(titles)),
        format_func=titles.__getitem__,
        required=True,
        key="topic",
        on_change=lambda: st.query_params.from_dict({"topic": st.session_state["topic"]}),
        label_visibility="collapsed",
        wrap=True,
    )
    st.query_params["topic"] = chosen
    return chosen


def draw_topic(topic: Topic) -> None:
    text = topic.text.replace("{rank}", str(LORA_RANK))
    text = text.replace("{examples}", str(load_lessons()["hybrid"]["examples"]))
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        st.markdown(f"## {topic.heading}")
        st.markdown(link_marked_terms(text))
    with right:
        TOPIC_DRAWERS[topic.key]()
    st.space("small")
    draw_run_link(topic)
    keys = [*TOPICS, GLOSSARY_TOPIC]
    following = keys[keys.index(topic.key) + 1]
    title = TOPICS[following].title if following in TOPICS else "Words"
    st.page_link(
        "learn.py",
        label=f"Next: {title}",
        icon=":material/arrow_forward:",
        query_params={"topic": following},
    )


def draw_run_link(topic: Topic) -> None:
    """Draw a link to the Run page with the form filled in."""
    title = APPROACHES[topic.run_params["approach"]].title
    data = datasets.get_dataset(topic.run_params["data"]).title
    with st.container(border=True):
        st.page_link(
            "run.py",
            label="**See it on data**",
            icon=":material/play_circle:",
            query_params=topic.query_params,
        )
        st.markdown(f"{title} on *{data}*. :gray[What to see: {topic.observation}]")


st.title("Learn")
st.markdown("What happens in a run, one idea at a time, each with something to try.")
topic_key = choose_topic()
if topic_key == GLOSSARY_TOPIC:
    draw_glossary()
else:
    draw_topic(TOPICS[topic_key])
