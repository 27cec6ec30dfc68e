"""Learn: the ideas behind the approaches, one at a time, each with something to move."""

import streamlit as st

from guide.approaches import APPROACHES
from guide.glossary import GLOSSARY, found
from guide.topics import TOPICS, Topic
from pages.parts.figures import drawings, lesson_charts, lesson_drawings
from pages.parts.figures.style import LOOKS
from pages.parts.widgets.example_cards import Card, examples
from pages.parts.widgets.glossary import explained
from pages.parts.widgets.live_plot import live_plot
from pages.parts.widgets.svg import picture
from trainers import datasets
from trainers.lessons import SIDE, lessons, live
from trainers.training.recipes import LORA_RANK

WORDS = "words"  # the topic that is the glossary


def topics() -> str:
    """The list of topics; the one that is shown is in the address."""
    titles = {key: topic.title for key, topic in TOPICS.items()} | {WORDS: "Words"}
    named = st.query_params.get("topic")
    if named in titles:  # a link may have changed it
        st.session_state["topic"] = named
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


def show(topic: Topic) -> None:
    text = topic.text.replace("{rank}", str(LORA_RANK))
    text = text.replace("{examples}", str(lessons()["hybrid"]["examples"]))
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        st.markdown(f"## {topic.heading}")
        st.markdown(explained(text))
    with right:
        DRAW[topic.key]()
    st.space("small")
    see_it(topic)
    keys = [*TOPICS, WORDS]
    after = keys[keys.index(topic.key) + 1]
    title = TOPICS[after].title if after in TOPICS else "Words"
    st.page_link(
        "learn.py",
        label=f"Next: {title}",
        icon=":material/arrow_forward:",
        query_params={"topic": after},
    )


def see_it(topic: Topic) -> None:
    """A link to Run, filled in."""
    title = APPROACHES[topic.see["approach"]].title
    data = datasets.pick(topic.see["data"]).title
    with st.container(border=True):
        st.page_link(
            "run.py",
            label="**See it on data**",
            icon=":material/play_circle:",
            query_params=topic.address,
        )
        st.markdown(f"{title} on *{data}*. :gray[What to see: {topic.watch}]")


# --- one picture or control a topic -------------------------------------------------------------


def ways() -> None:
    advised = [key for key, approach in APPROACHES.items() if approach.advised]
    chosen = choose("Approach", {key: APPROACHES[key].title for key in advised}, key="way")
    picture(lesson_drawings.likeness(chosen), key="likeness")
    picture(drawings.layers(chosen, width_px=170), key="likeness-layers")
    st.caption("The same in a network of five layers: ice is frozen, colour learns.")


def backbone() -> None:
    answers = lessons()["filters"]["answers"]
    titles = {answer["key"]: datasets.pick(answer["key"]).title for answer in answers}
    kind = choose("Pictures", titles, key="pictures")
    st.markdown("### What its first layer sees")
    picture(lesson_drawings.filters(lessons()["filters"], list(titles).index(kind)), key="filters")
    st.markdown("### Which pictures are alike to it")
    near = lessons()["neighbours"][kind]
    labels = [near["shown"][str(query["picture"])]["label"] for query in near["queries"]]
    query = near["queries"][
        choose("The pictures most like", dict(enumerate(labels)), key=f"query-{kind}")
    ]
    for name, title in (("features", "by its features"), ("pixels", "by plain pixels")):
        share = near["same"][name]
        st.markdown(f"**{title.capitalize()}**, the nearest first:")
        examples(cards(near, query, name), key=f"near-{name}", colour=LOOKS["none"].colour)
        st.caption(
            f"For {share:.0%} of all {near['pictures']} pictures, the nearest {title} is of the "
            f"same class (at random: {near['guessing']:.0%})."
        )


def cards(near: dict, query: dict, by: str) -> list[Card]:
    asked = near["shown"][str(query["picture"])]
    drawn: list[Card] = [{"example": asked["picture"], "label": asked["label"], "note": "this one"}]
    for item in query[by]:
        other = near["shown"][str(item)]
        same = "same class" if other["label"] == asked["label"] else "another class"
        drawn.append({"example": other["picture"], "label": other["label"], "note": same})
    return drawn


def thaw() -> None:
    cases = lessons()["thaw"]
    task = choose("The new task is", NEARNESS, key="task")
    sizes = {case["examples"]: f"{case['examples']} examples" for case in cases}
    count = choose("With", sizes, key="task-examples")
    case = next(case for case in cases if (case["task"], case["examples"]) == (task, count))
    most = len(case["seen"]) - 1
    thawed = st.slider("Layers that thaw, from the last", 0, most, 0, key="thawed")
    seen, unseen = case["seen"][thawed], case["unseen"][thawed]
    best = max(range(most + 1), key=case["unseen"].__getitem__)
    words = (
        f"{layers_that_learn(thawed).capitalize()}: **{unseen:.0%}** of new points right, and "
        f"{seen:.0%} of those that it learned from. Best here: {layers_that_learn(best)} "
        f"({case['unseen'][best]:.0%})."
    )
    st.markdown(words)
    live_plot(
        lesson_charts.border(case, thawed, SIDE),
        key="border",
        alt=f"The border that the network draws between two classes. {words.replace('*', '')}",
    )
    live_plot(
        lesson_charts.by_layers(case, thawed),
        key="by-layers",
        alt="Share right by layers that learn: "
        + ", ".join(f"{n}: {share:.0%} of new points" for n, share in enumerate(case["unseen"])),
    )
    st.caption("The border: one of 20 choices of examples. The shares: the mean over all 20.")


NEARNESS = {
    "near": "near to what it knows",
    "further": "somewhat like it",
    "special": "far from it",
}


def layers_that_learn(thawed: int) -> str:
    if not thawed:
        return "only the head learns"
    return f"the head and {thawed} {'layer' if thawed == 1 else 'layers'} learn"


def lora() -> None:
    rank = st.select_slider("Rank", (1, 2, 4, 8, 16, 32, 64), LORA_RANK, key="rank")
    picture(lesson_drawings.lora(rank, MINILM_SIZE), key="lora")
    st.caption(
        f"One table of the small text model that comes with Thaw: {MINILM_SIZE} x {MINILM_SIZE}."
    )


MINILM_SIZE = 384  # hidden_size in the model's config.json


def few() -> None:
    examples = st.select_slider("Marks", (8, 12, 16, 20, 30, 50, 80, 120, 200), 12, key="marks")
    made = live.fits(examples, again("Other marks", "marks"))
    if made.stiff.unseen < made.flexible.unseen:
        better, worse = ("stiff", made.stiff), ("flexible", made.flexible)
    else:
        better, worse = ("flexible", made.flexible), ("stiff", made.stiff)
    words = (
        f"On new points the **{better[0]}** one is nearer: off by {better[1].unseen:.2f} on "
        f"average, the {worse[0]} one by {worse[1].unseen:.2f}."
    )
    st.markdown(words)
    live_plot(lesson_charts.fits(made), key="fits",
              alt=f"Two lines through {examples} marks. {words.replace('*', '')}")  # fmt: skip
    live_plot(
        lesson_charts.errors(made),
        key="errors",
        alt=f"Mean errors. Stiff: {made.stiff.seen:.2f} on the marks, {made.stiff.unseen:.2f} on "
        f"new points. Flexible: {made.flexible.seen:.2f} and {made.flexible.unseen:.2f}.",
    )


def hybrid() -> None:
    picture(lesson_drawings.thawing(), key="thawing")
    made = lessons()["hybrid"]
    ends = {key: shares[-1] for key, shares in made["right"].items()}
    words = ", ".join(f"{APPROACHES[key].title.lower()} {end:.0%}" for key, end in ends.items())
    live_plot(
        lesson_charts.three_ways(made),
        key="three-ways",
        alt=f"New points right along the steps. In the end: {words}.",
    )
    moved = made["moved"]
    st.caption(
        f"In the end: {words} of new points right. The layers below the head had changed by "
        f"{moved['fine_tune']:.0%} of their size in fine-tuning, by {moved['hybrid']:.0%} in the "
        "hybrid. Means over 20 choices of examples."
    )


def shots() -> None:
    made = lessons()["shots"]
    message = made["messages"][
        st.selectbox(
            "A message",
            range(len(made["messages"])),
            format_func=lambda n: made["messages"][n]["text"],
            key="message",
        )
    ]
    answer = max(range(len(made["classes"])), key=message["likeness"].__getitem__)
    live_plot(
        lesson_charts.likeness(made["classes"], message["likeness"], message["label"]),
        key="names",
        alt=f"Nearest name: {made['classes'][answer]}. The truth: "
        f"{made['classes'][message['label']]}.",
    )
    few = ", ".join(f"{shot}: {share:.0%}" for shot, share in made["few"].items())
    live_plot(
        lesson_charts.by_shots(made),
        key="shots",
        alt=f"Right by the names alone: {made['zero']:.0%}. By so many examples of each class: "
        f"{few}.",
    )
    st.caption(f"{made['tests']} test messages; means over 20 choices of examples.")


def chat() -> None:
    picture(lesson_drawings.reads_or_writes(), key="chat")


def curve() -> None:
    runs = lessons()["curves"]
    letters = dict(zip(runs, "BDAC", strict=True))
    order = sorted(runs, key=letters.__getitem__)
    key = choose("A run", {name: f"Run {letters[name]}" for name in order}, key="run-curve")
    run = runs[key]
    live_plot(
        lesson_charts.run_curve(run),
        key="run-curve-plot",
        alt=f"After {run['steps'][-1]} steps {run['seen'][-1]:.0%} of the examples it learns from "
        f"are right, and {run['unseen'][-1]:.0%} of the checks.",
    )
    with st.expander("What it is", icon=":material/visibility:"):
        st.markdown(
            f"{CURVES[key]} It learned from {run['examples']} examples in {run['steps'][-1]} steps."
        )


CURVES = {
    "well": "**It learns.** Both lines rise together; then the checks settle a little below.",
    "by-heart": "**It learns by heart.** Every example that it learns from is right; the checks "
    "stay behind. More examples would help, more steps would not.",
    "too-short": "**Stopped too soon.** Both lines were still on their way up.",
    "too-fast": "**The learning rate is too high.** Each step jumps too far, and what was right "
    "is wrong again.",
}


def interval() -> None:
    sizes = (10, 20, 50, 100, 200, 500, 1000)
    count = st.select_slider("Examples in each test", sizes, 20, key="tests")
    tested = live.tests(count, SHARE, TIMES, again("Test again", "tests"))
    holding = sum(test.holds(SHARE) for test in tested)
    wide = sum(test.high - test.low for test in tested) / TIMES
    words = (
        f"Scores from {min(test.score for test in tested):.0%} to "
        f"{max(test.score for test in tested):.0%}. **{holding} of {TIMES}** bars hold the truth; "
        f"on average a bar is {100 * wide:.0f} points long."
    )
    st.markdown(words)
    live_plot(
        lesson_charts.many_tests(tested, SHARE),
        key="many-tests",
        alt=f"{TIMES} tests of a model that gets {SHARE:.0%} right. {words.replace('*', '')}",
    )


SHARE, TIMES = 0.8, 20


def choose(label: str, titles: dict, *, key: str) -> object:
    return st.segmented_control(
        label,
        list(titles),
        default=next(iter(titles)),
        format_func=titles.__getitem__,
        required=True,
        key=key,
        wrap=True,
    )


def again(label: str, key: str) -> int:
    """How often the button was pressed: where chance starts from."""
    count = f"{key}-again"

    def once_more() -> None:
        st.session_state[count] = st.session_state.get(count, 0) + 1

    st.button(label, icon=":material/casino:", key=f"{key}-button", on_click=once_more)
    return st.session_state.get(count, 0)


DRAW = {
    "ways": ways,
    "backbone": backbone,
    "thaw": thaw,
    "lora": lora,
    "few": few,
    "hybrid": hybrid,
    "shots": shots,
    "chat": chat,
    "curve": curve,
    "interval": interval,
}


# --- the glossary -----------------------------------------------------------------------------


def glossary() -> None:
    st.markdown("## Words")
    st.markdown("On every page a word with dots under it explains itself: point at it, or tap it.")
    asked = st.text_input(
        "Search",
        max_chars=80,
        key="asked",
        placeholder="frozen",
        icon=":material/search:",
        width=420,
    )
    hits = found(asked)
    if not hits:
        st.markdown("No such word here. Try a part of it, or clear the search to see all.")
    with st.grid(3, min_column_width=260):
        for term in hits:
            with st.container(border=True, height="stretch"):
                st.markdown(f"**{term.title}**  \n{term.means}")
                see = ", ".join(f"[[{key}]]" for key in term.see if key in GLOSSARY)
                st.caption(explained(f"See also {see}."))


st.title("Learn")
st.markdown("What happens in a run, one idea at a time, each with something to try.")
chosen = topics()
if chosen == WORDS:
    glossary()
else:
    show(TOPICS[chosen])
