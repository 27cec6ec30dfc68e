"""Learn: the ideas behind the approaches, one at a time, each with something to move."""

import streamlit as st

from guide.approaches import APPROACHES
from guide.glossary import GLOSSARY, search
from guide.topics import TOPICS, Topic
from pages.parts.figures import drawings, lesson_charts, lesson_drawings
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.widgets.example_cards import ExampleCard, draw_example_cards
from pages.parts.widgets.glossary import link_marked_terms
from pages.parts.widgets.live_plot import draw_live_plot
from pages.parts.widgets.svg import draw_svg
from trainers import datasets
from trainers.lessons import PLANE_HALF_WIDTH, live, load_lessons
from trainers.training.recipes import LORA_RANK

GLOSSARY_TOPIC = "words"  # the topic that is the glossary


def choose_topic() -> str:
    """The list of topics; the one that is shown is in the address."""
    titles = {key: topic.title for key, topic in TOPICS.items()} | {GLOSSARY_TOPIC: "Words"}
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
    after = keys[keys.index(topic.key) + 1]
    title = TOPICS[after].title if after in TOPICS else "Words"
    st.page_link(
        "learn.py",
        label=f"Next: {title}",
        icon=":material/arrow_forward:",
        query_params={"topic": after},
    )


def draw_run_link(topic: Topic) -> None:
    """A link to Run, filled in."""
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


# --- one picture or control a topic -------------------------------------------------------------


def draw_approaches() -> None:
    advised = [key for key, approach in APPROACHES.items() if approach.is_advisable]
    chosen = choose("Approach", {key: APPROACHES[key].title for key in advised}, key="way")
    draw_svg(lesson_drawings.approach_analogy(chosen), key="likeness")
    draw_svg(drawings.layer_stack(chosen, width_px=170), key="likeness-layers")
    st.caption("The same in a network of five layers: ice is frozen, colour learns.")


def draw_backbone() -> None:
    answers = load_lessons()["filters"]["answers"]
    titles = {answer["key"]: datasets.get_dataset(answer["key"]).title for answer in answers}
    kind = choose("Pictures", titles, key="pictures")
    st.markdown("### What its first layer sees")
    draw_svg(
        lesson_drawings.filter_grid(load_lessons()["filters"], list(titles).index(kind)),
        key="filters",
    )
    st.markdown("### Which pictures are alike to it")
    near = load_lessons()["neighbours"][kind]
    labels = [near["shown"][str(query["picture"])]["label"] for query in near["queries"]]
    query = near["queries"][
        choose("The pictures most like", dict(enumerate(labels)), key=f"query-{kind}")
    ]
    for name, title in (("features", "by its features"), ("pixels", "by plain pixels")):
        share = near["same"][name]
        st.markdown(f"**{title.capitalize()}**, the nearest first:")
        draw_example_cards(
            build_cards(near, query, name),
            key=f"near-{name}",
            colour=APPROACH_STYLES["none"].colour,
        )
        st.caption(
            f"For {share:.0%} of all {near['pictures']} pictures, the nearest {title} is of the "
            f"same class (at random: {near['guessing']:.0%})."
        )


def build_cards(near: dict, query: dict, by: str) -> list[ExampleCard]:
    asked = near["shown"][str(query["picture"])]
    drawn: list[ExampleCard] = [
        {"example": asked["picture"], "label": asked["label"], "note": "this one"}
    ]
    for item in query[by]:
        other = near["shown"][str(item)]
        same = "same class" if other["label"] == asked["label"] else "another class"
        drawn.append({"example": other["picture"], "label": other["label"], "note": same})
    return drawn


def draw_thawing() -> None:
    cases = load_lessons()["thaw"]
    task = choose("The new task is", TASK_DISTANCES, key="task")
    sizes = {case["examples"]: f"{case['examples']} examples" for case in cases}
    count = choose("With", sizes, key="task-examples")
    case = next(case for case in cases if (case["task"], case["examples"]) == (task, count))
    most = len(case["seen"]) - 1
    thawed = st.slider("Layers that thaw, from the last", 0, most, 0, key="thawed")
    seen, unseen = case["seen"][thawed], case["unseen"][thawed]
    best = max(range(most + 1), key=case["unseen"].__getitem__)
    words = (
        f"{describe_trainable_layers(thawed).capitalize()}: **{unseen:.0%}** of "
        "new points right, and "
        f"{seen:.0%} of those that it learned from. Best here: {describe_trainable_layers(best)} "
        f"({case['unseen'][best]:.0%})."
    )
    st.markdown(words)
    draw_live_plot(
        lesson_charts.decision_boundary(case, thawed, PLANE_HALF_WIDTH),
        key="border",
        alt=f"The border that the network draws between two classes. {words.replace('*', '')}",
    )
    draw_live_plot(
        lesson_charts.accuracy_by_layers(case, thawed),
        key="by-layers",
        alt="Share right by layers that learn: "
        + ", ".join(f"{n}: {share:.0%} of new points" for n, share in enumerate(case["unseen"])),
    )
    st.caption("The border: one of 20 choices of examples. The shares: the mean over all 20.")


TASK_DISTANCES = {
    "near": "near to what it knows",
    "further": "somewhat like it",
    "special": "far from it",
}


def describe_trainable_layers(thawed: int) -> str:
    if not thawed:
        return "only the head learns"
    return f"the head and {thawed} {'layer' if thawed == 1 else 'layers'} learn"


def draw_lora() -> None:
    rank = st.select_slider("Rank", (1, 2, 4, 8, 16, 32, 64), LORA_RANK, key="rank")
    draw_svg(lesson_drawings.lora_diagram(rank, MINILM_WIDTH), key="lora")
    st.caption(
        f"One table of the small text model that comes with Thaw: {MINILM_WIDTH} x {MINILM_WIDTH}."
    )


MINILM_WIDTH = 384  # hidden_size in the model's config.json


def draw_few_examples() -> None:
    examples = st.select_slider("Marks", (8, 12, 16, 20, 30, 50, 80, 120, 200), 12, key="marks")
    made = live.compare_fits(examples, draw_redraw_button("Other marks", "marks"))
    if made.stiff.test_error < made.flexible.test_error:
        better, worse = ("stiff", made.stiff), ("flexible", made.flexible)
    else:
        better, worse = ("flexible", made.flexible), ("stiff", made.stiff)
    words = (
        f"On new points the **{better[0]}** one is nearer: off by {better[1].test_error:.2f} on "
        f"average, the {worse[0]} one by {worse[1].test_error:.2f}."
    )
    st.markdown(words)
    draw_live_plot(lesson_charts.model_fits(made), key="fits",
              alt=f"Two lines through {examples} marks. {words.replace('*', '')}")  # fmt: skip
    draw_live_plot(
        lesson_charts.fit_errors(made),
        key="errors",
        alt=f"Mean errors. Stiff: {made.stiff.train_error:.2f} on the marks, "
        f"{made.stiff.test_error:.2f} on "
        f"new points. Flexible: {made.flexible.train_error:.2f} and "
        f"{made.flexible.test_error:.2f}.",
    )


def draw_hybrid() -> None:
    draw_svg(lesson_drawings.thawing_animation(), key="thawing")
    made = load_lessons()["hybrid"]
    ends = {key: shares[-1] for key, shares in made["right"].items()}
    words = ", ".join(f"{APPROACHES[key].title.lower()} {end:.0%}" for key, end in ends.items())
    draw_live_plot(
        lesson_charts.approach_curves(made),
        key="three-ways",
        alt=f"New points right along the steps. In the end: {words}.",
    )
    moved = made["moved"]
    st.caption(
        f"In the end: {words} of new points right. The layers below the head had changed by "
        f"{moved['fine_tune']:.0%} of their size in fine-tuning, by {moved['hybrid']:.0%} in the "
        "hybrid. Means over 20 choices of examples."
    )


def draw_few_shot() -> None:
    made = load_lessons()["shots"]
    message = made["messages"][
        st.selectbox(
            "A message",
            range(len(made["messages"])),
            format_func=lambda n: made["messages"][n]["text"],
            key="message",
        )
    ]
    answer = max(range(len(made["classes"])), key=message["likeness"].__getitem__)
    draw_live_plot(
        lesson_charts.class_similarity(made["classes"], message["likeness"], message["label"]),
        key="names",
        alt=f"Nearest name: {made['classes'][answer]}. The truth: "
        f"{made['classes'][message['label']]}.",
    )
    few = ", ".join(f"{shot}: {share:.0%}" for shot, share in made["few"].items())
    draw_live_plot(
        lesson_charts.accuracy_by_shots(made),
        key="shots",
        alt=f"Right by the names alone: {made['zero']:.0%}. By so many examples of each class: "
        f"{few}.",
    )
    st.caption(f"{made['tests']} test messages; means over 20 choices of examples.")


def draw_chat() -> None:
    draw_svg(lesson_drawings.encoder_and_chat_model(), key="chat")


def draw_run_curve() -> None:
    runs = load_lessons()["curves"]
    letters = dict(zip(runs, "BDAC", strict=True))
    order = sorted(runs, key=letters.__getitem__)
    key = choose("A run", {name: f"Run {letters[name]}" for name in order}, key="run-curve")
    run = runs[key]
    draw_live_plot(
        lesson_charts.run_curve(run),
        key="run-curve-plot",
        alt=f"After {run['steps'][-1]} steps {run['seen'][-1]:.0%} of the examples it learns from "
        f"are right, and {run['unseen'][-1]:.0%} of the checks.",
    )
    with st.expander("What it is", icon=":material/visibility:"):
        st.markdown(
            f"{CURVE_EXPLANATIONS[key]} It learned from {run['examples']} examples "
            f"in {run['steps'][-1]} steps."
        )


CURVE_EXPLANATIONS = {
    "well": "**It learns.** Both lines rise together; then the checks settle a little below.",
    "by-heart": "**It learns by heart.** Every example that it learns from is right; the checks "
    "stay behind. More examples would help, more steps would not.",
    "too-short": "**Stopped too soon.** Both lines were still on their way up.",
    "too-fast": "**The learning rate is too high.** Each step jumps too far, and what was right "
    "is wrong again.",
}


def draw_confidence_interval() -> None:
    sizes = (10, 20, 50, 100, 200, 500, 1000)
    count = st.select_slider("Examples in each test", sizes, 20, key="tests")
    tested = live.simulate_scores(
        count, TRUE_ACCURACY, TEST_COUNT, draw_redraw_button("Test again", "tests")
    )
    holding = sum(test.contains(TRUE_ACCURACY) for test in tested)
    wide = sum(test.high - test.low for test in tested) / TEST_COUNT
    words = (
        f"Scores from {min(test.score for test in tested):.0%} to "
        f"{max(test.score for test in tested):.0%}. **{holding} of "
        f"{TEST_COUNT}** bars hold the truth; "
        f"on average a bar is {100 * wide:.0f} points long."
    )
    st.markdown(words)
    draw_live_plot(
        lesson_charts.repeated_tests(tested, TRUE_ACCURACY),
        key="many-tests",
        alt=f"{TEST_COUNT} tests of a model that gets {TRUE_ACCURACY:.0%} right. "
        f"{words.replace('*', '')}",
    )


TRUE_ACCURACY, TEST_COUNT = 0.8, 20


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


def draw_redraw_button(label: str, key: str) -> int:
    """How often the button was pressed: where chance starts from."""
    count = f"{key}-again"

    def once_more() -> None:
        st.session_state[count] = st.session_state.get(count, 0) + 1

    st.button(label, icon=":material/casino:", key=f"{key}-button", on_click=once_more)
    return st.session_state.get(count, 0)


TOPIC_DRAWERS = {
    "ways": draw_approaches,
    "backbone": draw_backbone,
    "thaw": draw_thawing,
    "lora": draw_lora,
    "few": draw_few_examples,
    "hybrid": draw_hybrid,
    "shots": draw_few_shot,
    "chat": draw_chat,
    "curve": draw_run_curve,
    "interval": draw_confidence_interval,
}


# --- the glossary -----------------------------------------------------------------------------


def draw_glossary() -> None:
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
    hits = search(asked)
    if not hits:
        st.markdown("No such word here. Try a part of it, or clear the search to see all.")
    with st.grid(3, min_column_width=260):
        for term in hits:
            with st.container(border=True, height="stretch"):
                st.markdown(f"**{term.title}**  \n{term.definition}")
                see = ", ".join(f"[[{key}]]" for key in term.see_also if key in GLOSSARY)
                st.caption(link_marked_terms(f"See also {see}."))


st.title("Learn")
st.markdown("What happens in a run, one idea at a time, each with something to try.")
topic_key = choose_topic()
if topic_key == GLOSSARY_TOPIC:
    draw_glossary()
else:
    draw_topic(TOPICS[topic_key])
