"""Try it, driven without a browser and without a model: its answers are given here."""

import base64
import io

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.parts.figures import abstention
from pages.parts.results import model_inputs
from pages.parts.results.abstention_choice import describe_threshold
from pages.parts.results.answer_table import join_columns
from tests.pages.test_pages import FRAME, RUN, finished, words
from tests.support.run_address import address
from trainers import serving
from trainers.datasets.uploads.limits import MB
from trainers.evaluation.abstention import choose_threshold, coverage_accuracy_curve
from trainers.events import CalibrationDone
from trainers.plan import Plan
from trainers.serving import InferenceError, LoadStatus, Prediction
from trainers.store import get_store
from trainers.system import object_store
from trainers.system.paths import run_dir

ANN = "ann-of-the-tests-00"
SURE = [0.95] * 60 + [0.6] * 40
RIGHT = [True] * 60 + [True, False] * 20
MEASURED = CalibrationDone(1.2, SURE, RIGHT, 3.0)
HOSTILE = "<b>x</b> [y](http://z) :red[hot] $x^2$ | *star*"


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 10, 10)).save(out, "PNG")
    return out.getvalue()


SHOWN = "data:image/png;base64," + base64.b64encode(picture()).decode()


def ran(approach="hybrid", *, data="digits", measured=True, visitor=ANN, model=True) -> str:
    key = get_store().enqueue(
        Plan(data=data, approach=approach, examples_per_class=1), visitor, worker="test"
    )
    told = [MEASURED] if measured else []
    get_store().append(key, [*RUN, *told, finished(approach, data=data)])
    if model:
        run_dir(key).mkdir(parents=True)
        (run_dir(key) / "model.safetensors").write_bytes(b"")
    return key


class Model:
    """What answers in place of the process; notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list]] = []
        self.opening = LoadStatus(True, "Ready", 1.0)
        self.answer = Prediction(sureness=[0.97, 0.03], unlike=False, shown=SHOWN)
        self.starters: list[dict] = []
        self.tested: list[dict] = []
        self.error = ""

    def ask(self, run, inputs, timeout_seconds=60.0):
        if self.error:
            raise InferenceError(self.error)
        self.asked.append((run, list(inputs)))
        return [self.answer for _ in inputs]


@pytest.fixture
def model(monkeypatch):
    made = Model()
    monkeypatch.setattr(serving, "poll_loading", lambda run: made.opening)
    monkeypatch.setattr(serving, "predict", made.ask)
    monkeypatch.setattr(serving, "call_endpoint", lambda verb, run: getattr(made, verb))
    return made


def page(key: str, visitor: str = ANN) -> AppTest:
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = visitor
    at.run()
    at.query_params.update(address(key, visitor))
    at.query_params["section"] = "try"
    return sound(at.switch_page("run.py").run())


def sound(at: AppTest) -> AppTest:
    assert not at.exception, at.exception
    return at


def asked(at: AppTest, text: str) -> AppTest:
    at.text_area[0].set_value(text)
    next(button for button in at.button if button.label == "Answer").click()
    return sound(at.run())


def with_pictures(at: AppTest, count: int = 1) -> AppTest:
    at.file_uploader[0].set_value([(f"{n}.png", picture(), "image/png") for n in range(count)])
    return sound(at.run())


def bars(at: AppTest) -> list[str]:
    return [bar.proto.text for bar in at.get("progress")][1:]  # the first is the run's own


def test_a_model_that_is_being_loaded_says_how_far_that_is(model):
    model.opening = LoadStatus(False, "Looking at what it learned from", 0.4)
    at = page(ran())
    assert "The model is being loaded. Looking at what it learned from." in bars(at)
    assert not at.file_uploader


def test_a_model_that_cannot_be_loaded_says_why_and_can_be_tried_again(model, monkeypatch):
    model.opening = LoadStatus(False, error="The disk *broke*.")
    again = []
    monkeypatch.setattr(serving, "retry_loading", again.append)
    key = ran()
    at = page(key)
    assert "The disk \\*broke\\*\\." in words(at)
    next(button for button in at.button if button.label == "Try again").click()
    at.run()
    assert again == [key]


def test_a_run_without_a_model_starts_nothing(monkeypatch):
    def never(run):
        raise AssertionError("It was asked.")

    monkeypatch.setattr(serving, "poll_loading", never)
    assert "There is no model here to try" in words(page(ran(model=False)))


def test_a_picture_is_answered_with_its_likeliest_classes(model):
    at = with_pictures(page(ran()))
    assert bars(at) == ["\\<b\\>cat\\</b\\>: 97 %", "dog: 3 %"]
    assert "Not sure" not in words(at)
    assert "Unlike" not in words(at)


def test_below_the_threshold_it_says_not_sure_and_the_slider_moves_that(model):
    model.answer = Prediction(sureness=[0.62, 0.38], unlike=False, shown=SHOWN)
    key = ran()
    at = with_pictures(page(key))
    assert ":gray-badge[:material/help: Not sure]" in words(at)
    at.select_slider(key=f"wanted-{key}").set_value(70)
    assert "Not sure" not in words(sound(at.run()))
    assert len(model.asked) == 1  # a slider asks no model


def test_without_a_measurement_there_is_no_slider_and_it_says_so(model):
    model.answer = Prediction(sureness=[0.51, 0.49], unlike=False, shown=SHOWN)
    at = with_pictures(page(ran(measured=False)))
    assert not at.select_slider
    assert "no line below which" in words(at)
    assert ":gray-badge" not in words(at)


def test_what_is_unlike_gets_no_percentage(model):
    model.answer = Prediction(sureness=[0.01, 0.99], unlike=True, rarer=0.0, shown=SHOWN)
    at = with_pictures(page(ran()))
    assert "Unlike what it learned from" in words(at)
    assert bars(at) == []
    assert "99 %" not in words(at)
    many = with_pictures(at, 8)
    (table,) = many.dataframe
    assert table.value["Answer"].tolist() == ["Unlike what it learned from"] * 8
    assert "Probability" not in table.value  # none has one


def test_without_training_no_probability_is_claimed(model):
    model.answer = Prediction(sureness=[0.5, -0.5], unlike=False, shown=SHOWN)
    at = with_pictures(page(ran("none", measured=False)))
    assert bars(at) == ["\\<b\\>cat\\</b\\>: 50 alike", "dog: -50 alike"]
    assert "Without training there are no probabilities" in words(at)


def test_what_could_not_be_read_says_so(model):
    model.answer = Prediction(error="This file could not be read as a picture.")
    at = with_pictures(page(ran()))
    assert "could not be read as a picture" in words(at)
    assert bars(at) == []


def test_where_the_process_fails_the_page_stands(model):
    model.error = "There was no answer within 60 seconds."
    assert "There was no answer within 60 seconds" in words(with_pictures(page(ran())))


def test_a_test_example_is_one_click_away(model):
    raw = base64.b64encode(picture()).decode()
    model.starters = [{"label": "dog", "picture": raw}]
    key = ran()
    at = page(key)
    at.session_state[f"starter-{key}"] = 0
    assert "Example 1 of the test (the right answer: **dog**)" in words(sound(at.run()))
    assert model.asked == [(key, [picture()])]


def test_one_text_many_lines_and_their_table(model):
    model.answer = Prediction(sureness=[0.97, 0.03], unlike=False)
    key = ran(data="messages")
    at = asked(page(key), HOSTILE)
    assert not any(":red[hot]" in line for line in words(at).splitlines())
    assert model.asked == [(key, [HOSTILE])]
    at.session_state[f"way-{key}"] = "lines"
    at = asked(sound(at.run()), "\n".join(f"line {n}" for n in range(9)))
    (table,) = at.dataframe
    assert table.value["Answer"].tolist() == ["<b>cat</b>"] * 9
    assert [one.label for one in at.get("download_button")] == ["Download the answers (CSV)"]


def lines_of(at: AppTest, key: str, count: int) -> AppTest:
    at.session_state[f"way-{key}"] = "lines"
    return asked(sound(at.run()), "\n".join(f"line {n}" for n in range(count)))


def test_many_inputs_are_held_against_the_test(model):
    model.answer = Prediction(sureness=[0.97, 0.03], unlike=True, distance=0.9)
    model.tested = [
        {"sureness": [0.9, 0.1], "unlike": n < 5, "distance": 0.5 + n / 500} for n in range(100)
    ]
    key = ran(data="messages")
    at = lines_of(page(key), key, 40)
    assert "40 of 40 (100 %) are unlike anything it learned from; that is more than" in words(at)
    assert "Other than in its test" in words(at)


@pytest.mark.parametrize(("lines", "says"), [(9, "takes 20 different inputs"), (40, "fewer than")])
def test_of_too_few_it_is_said_that_nothing_is_claimed(lines, says, model):
    key = ran(data="messages")
    at = lines_of(page(key), key, lines)  # no examples of the test at hand
    assert says in words(at)
    assert "in its test" not in words(at).lower()


def test_a_table_keeps_its_columns(model):
    model.answer = Prediction(sureness=[0.97, 0.03], unlike=False)
    key = ran(data="messages")
    at = page(key)
    at.session_state[f"way-{key}"] = "table"
    at = sound(at.run())
    rows = "id,text\n" + "".join(f"{n},text number {n}\n" for n in range(70))
    at.file_uploader[0].set_value(("t.csv", rows.encode(), "text/csv"))
    at = sound(at.run())
    next(button for button in at.button if button.label == "Answer 70 rows").click()
    at = sound(at.run())
    assert [len(inputs) for _, inputs in model.asked] == [
        serving.MAX_INPUTS,
        70 - serving.MAX_INPUTS,
    ]
    names, made = join_columns(
        [model_inputs.ModelInput("Row 1", "=1", columns=("id", "Answer"), row=("7", "=1"))],
        {"Input": ["=1"], "Answer": ["dog"]},
    )
    assert (names, made) == (["id", "Answer", "Answer (model)"], [["7", "=1", "dog"]])


def test_what_is_no_table_gets_a_sentence(model):
    key = ran(data="messages")
    at = page(key)
    at.session_state[f"way-{key}"] = "table"
    at = sound(at.run())
    at.file_uploader[0].set_value(("t.csv", b"\x00\x01\x02" * 99, "text/csv"))
    assert "not a table of text" in words(sound(at.run()))


def test_a_second_model_answers_the_same_beside_it(model):
    other, key = ran("transfer"), ran("hybrid")
    ran("transfer", data="messages")
    ran("transfer", visitor="somebody-else-0000")
    at = page(key)
    (choice,) = [box for box in at.selectbox if box.label == "Beside another model"]
    assert choice.value == other  # the same data, another approach
    assert len(choice.options) == 2  # with None
    with_pictures(at)
    assert sorted(run for run, _ in model.asked) == sorted([key, other])
    assert len(bars(at)) == 4


def test_models_that_lie_elsewhere_are_brought_here_when_chosen(model, monkeypatch):
    away, key = ran("transfer", model=False), ran("hybrid")
    fetched = []
    monkeypatch.setattr(object_store, "storage_url", lambda: "s3://models")
    monkeypatch.setattr(object_store, "download", lambda kind, run: fetched.append(run))
    monkeypatch.setattr(serving, "poll_loading", lambda run: fetched.append(run) or model.opening)
    at = page(key)
    (choice,) = [box for box in at.selectbox if box.label == "Beside another model"]
    assert (choice.value, len(choice.options)) == ("", 2)
    assert set(fetched) == {key}
    choice.set_value(away)
    sound(at.run())
    assert set(fetched) == {key, away}


@pytest.mark.parametrize(
    ("approach", "says"), [("simple", "holds no example out"), ("transfer", "older version")]
)
def test_without_checks_it_says_why_and_not_to_run_it_again(approach, says, model):
    said = words(page(ran(approach, measured=False)))
    assert says in said
    assert "Run it again" not in said


def test_nobody_else_asks_a_model_of_ones_own_data(model, monkeypatch):
    key = ran()
    at = page(key)
    assert at.file_uploader
    own = get_store().get_run(key)
    object.__setattr__(own.job, "data", "own-aaaaaaaaaaaa")
    monkeypatch.setattr(get_store(), "get_run", lambda run: own)
    at = page(key, visitor="somebody-else-0000")
    assert not at.file_uploader
    assert "somebody's own data" in words(at)


# --- words and the figure -----------------------------------------------------------------------


def test_the_promise_is_told_with_its_counts():
    told = describe_threshold(choose_threshold(SURE, RIGHT, 0.9))
    assert "60 would be answered (60%), 60 of them rightly (100%)" in told
    assert "too few" not in told
    assert "of new answers fewer may be right" in told
    assert "at best" in describe_threshold(choose_threshold([0.9] * 8, [True] * 8, 0.95))
    always = describe_threshold(choose_threshold(SURE, RIGHT, 0.7))
    assert "may answer always" in always
    assert "fewer may be right" not in always  # nothing was chosen


def test_the_figure_shows_every_threshold_and_the_chosen_one():
    steps, chosen = coverage_accuracy_curve(SURE, RIGHT), choose_threshold(SURE, RIGHT, 0.9)
    found, low, mark = abstention.coverage_accuracy_curve(steps, chosen, "#112233")["data"]
    assert found["x"] == [100.0, 60.0]
    assert found["y"] == [80.0, 100.0]
    assert all(under < share for under, share in zip(low["y"], found["y"], strict=True))
    assert (mark["x"], mark["y"]) == ([60.0], [100.0])
    assert "fixed beforehand" in low["name"]  # the bound is not that of the best of many


def test_no_upload_of_a_table_is_larger_than_what_is_read():
    assert model_inputs.MAX_TABLE_BYTES <= 50 * MB
