"""One figure or control for each topic of the Learn page."""

from collections.abc import Hashable

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.figures import drawings, lesson_charts, lesson_drawings
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.widgets.example_cards import ExampleCard, draw_example_cards
from pages.parts.widgets.live_plot import draw_live_plot
from pages.parts.widgets.svg import draw_svg
from trainers import datasets
from trainers.lessons import PLANE_HALF_WIDTH, live, load_lessons
from trainers.training.recipes import LORA_RANK

TASK_DISTANCES = {
    "near": "near to what it knows",
    "further": "somewhat like it",
    "special": "far from it",
}
MINILM_WIDTH = 384  # hidden_size in the config.json of the bundled text model
CURVE_EXPLANATIONS = {
    "well": "**It learns.** Both lines rise together; then the checks settle a little below.",
    "by-heart": "**It learns by heart.** Every example that it learns from is right; the checks "
    "stay behind. More examples would help, more steps would not.",
    "too-short": "**Stopped too soon.** Both lines were still on their way up.",
    "too-fast": "**The learning rate is too high.** Each step jumps too far, and what was right "
    "is wrong again.",
}
TRUE_ACCURACY, TEST_COUNT = 0.8, 20


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
    nearest = load_lessons()["neighbours"][kind]
    labels = [nearest["shown"][str(query["picture"])]["label"] for query in nearest["queries"]]
    query = nearest["queries"][
        choose("The pictures most like", dict(enumerate(labels)), key=f"query-{kind}")
    ]
    for name, title in (("features", "by its features"), ("pixels", "by plain pixels")):
        share = nearest["same"][name]
        st.markdown(f"**{title.capitalize()}**, the nearest first:")
        draw_example_cards(
            build_cards(nearest, query, name),
            key=f"near-{name}",
            colour=APPROACH_STYLES["none"].colour,
        )
        st.caption(
            f"For {share:.0%} of all {nearest['pictures']} pictures, the nearest {title} is of the "
            f"same class (at random: {nearest['guessing']:.0%})."
        )


def build_cards(nearest: dict, query: dict, by: str) -> list[ExampleCard]:
    shown = nearest["shown"][str(query["picture"])]
    cards: list[ExampleCard] = [
        {"example": shown["picture"], "label": shown["label"], "note": "this one"}
    ]
    for item in query[by]:
        other = nearest["shown"][str(item)]
        same = "same class" if other["label"] == shown["label"] else "another class"
        cards.append({"example": other["picture"], "label": other["label"], "note": same})
    return cards


def draw_thawing() -> None:
    cases = load_lessons()["thaw"]
    task = choose("The new task is", TASK_DISTANCES, key="task")
    sizes = {case["examples"]: f"{case['examples']} examples" for case in cases}
    count = choose("With", sizes, key="task-examples")
    case = next(case for case in cases if (case["task"], case["examples"]) == (task, count))
    layers = len(case["seen"]) - 1
    thawed = st.slider("Layers that thaw, from the last", 0, layers, 0, key="thawed")
    seen, unseen = case["seen"][thawed], case["unseen"][thawed]
    best = max(range(layers + 1), key=case["unseen"].__getitem__)
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


def draw_few_examples() -> None:
    examples = st.select_slider("Marks", (8, 12, 16, 20, 30, 50, 80, 120, 200), 12, key="marks")
    fits = live.compare_fits(examples, draw_redraw_button("Other marks", "marks"))
    if fits.stiff.test_error < fits.flexible.test_error:
        better, worse = ("stiff", fits.stiff), ("flexible", fits.flexible)
    else:
        better, worse = ("flexible", fits.flexible), ("stiff", fits.stiff)
    words = (
        f"On new points the **{better[0]}** one is nearer: off by {better[1].test_error:.2f} on "
        f"average, the {worse[0]} one by {worse[1].test_error:.2f}."
    )
    st.markdown(words)
    draw_live_plot(lesson_charts.model_fits(fits), key="fits",
              alt=f"Two lines through {examples} marks. {words.replace('*', '')}")  # fmt: skip
    draw_live_plot(
        lesson_charts.fit_errors(fits),
        key="errors",
        alt=f"Mean errors. Stiff: {fits.stiff.train_error:.2f} on the marks, "
        f"{fits.stiff.test_error:.2f} on "
        f"new points. Flexible: {fits.flexible.train_error:.2f} and "
        f"{fits.flexible.test_error:.2f}.",
    )


def draw_hybrid() -> None:
    draw_svg(lesson_drawings.thawing_animation(), key="thawing")
    lesson = load_lessons()["hybrid"]
    ends = {key: shares[-1] for key, shares in lesson["right"].items()}
    words = ", ".join(f"{APPROACHES[key].title.lower()} {end:.0%}" for key, end in ends.items())
    draw_live_plot(
        lesson_charts.approach_curves(lesson),
        key="three-ways",
        alt=f"New points right along the steps. In the end: {words}.",
    )
    moved = lesson["moved"]
    st.caption(
        f"In the end: {words} of new points right. The layers below the head had changed by "
        f"{moved['fine_tune']:.0%} of their size in fine-tuning, by {moved['hybrid']:.0%} in the "
        "hybrid. Means over 20 choices of examples."
    )


def draw_few_shot() -> None:
    lesson = load_lessons()["shots"]
    message = lesson["messages"][
        st.selectbox(
            "A message",
            range(len(lesson["messages"])),
            format_func=lambda n: lesson["messages"][n]["text"],
            key="message",
        )
    ]
    answer = max(range(len(lesson["classes"])), key=message["likeness"].__getitem__)
    draw_live_plot(
        lesson_charts.class_similarity(lesson["classes"], message["likeness"], message["label"]),
        key="names",
        alt=f"Nearest name: {lesson['classes'][answer]}. The truth: "
        f"{lesson['classes'][message['label']]}.",
    )
    few = ", ".join(f"{shot}: {share:.0%}" for shot, share in lesson["few"].items())
    draw_live_plot(
        lesson_charts.accuracy_by_shots(lesson),
        key="shots",
        alt=f"Right by the names alone: {lesson['zero']:.0%}. By so many examples of each class: "
        f"{few}.",
    )
    st.caption(f"{lesson['tests']} test messages; means over 20 choices of examples.")


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


def draw_confidence_interval() -> None:
    sizes = (10, 20, 50, 100, 200, 500, 1000)
    count = st.select_slider("Examples in each test", sizes, 20, key="tests")
    tests = live.simulate_scores(
        count, TRUE_ACCURACY, TEST_COUNT, draw_redraw_button("Test again", "tests")
    )
    covering = sum(test.contains(TRUE_ACCURACY) for test in tests)
    width = sum(test.high - test.low for test in tests) / TEST_COUNT
    words = (
        f"Scores from {min(test.score for test in tests):.0%} to "
        f"{max(test.score for test in tests):.0%}. **{covering} of "
        f"{TEST_COUNT}** bars hold the truth; "
        f"on average a bar is {100 * width:.0f} points long."
    )
    st.markdown(words)
    draw_live_plot(
        lesson_charts.repeated_tests(tests, TRUE_ACCURACY),
        key="many-tests",
        alt=f"{TEST_COUNT} tests of a model that gets {TRUE_ACCURACY:.0%} right. "
        f"{words.replace('*', '')}",
    )


def choose(label: str, titles: dict[Hashable, str], *, key: str) -> Hashable:
    """Draw a choice and return the key of the chosen title."""
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
    """Draw a button and return how often it was pressed: the seed of what is drawn."""
    count = f"{key}-again"

    def count_press() -> None:
        st.session_state[count] = st.session_state.get(count, 0) + 1

    st.button(label, icon=":material/casino:", key=f"{key}-button", on_click=count_press)
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
