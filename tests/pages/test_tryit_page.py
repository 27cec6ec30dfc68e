"""Section "Try it", without a browser and with a stand-in for the serving process."""

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
CONFIDENCE = [0.95] * 60 + [0.6] * 40
CORRECT = [True] * 60 + [True, False] * 20
CALIBRATION = CalibrationDone(1.2, CONFIDENCE, CORRECT, 3.0)
HOSTILE = "<b>x</b> [y](http://z) :red[hot] $x^2$ | *star*"


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 10, 10)).save(out, "PNG")
    return out.getvalue()


SHOWN = "data:image/png;base64," + base64.b64encode(png()).decode()


def finished_run(
    approach="hybrid", *, data="digits", calibrated=True, visitor=ANN, model=True
) -> str:
    key = get_store().enqueue(
        Plan(data=data, approach=approach, examples_per_class=1), visitor, worker="test"
    )
    calibration = [CALIBRATION] if calibrated else []
    get_store().append(key, [*RUN, *calibration, finished(approach, data=data)])
    if model:
        run_dir(key).mkdir(parents=True)
        (run_dir(key) / "model.safetensors").write_bytes(b"")
    return key


class Model:
    """A stand-in for the serving process that records its requests."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, list]] = []
        self.status = LoadStatus(True, "Ready", 1.0)
        self.answer = Prediction(sureness=[0.97, 0.03], unlike=False, shown=SHOWN)
        self.starters: list[dict] = []
        self.tested: list[dict] = []
        self.error = ""

    def predict(self, run, inputs, timeout_seconds=60.0):
        if self.error:
            raise InferenceError(self.error)
        self.requests.append((run, list(inputs)))
        return [self.answer for _ in inputs]


@pytest.fixture
def model(monkeypatch):
    fake = Model()
    monkeypatch.setattr(serving, "poll_loading", lambda run: fake.status)
    monkeypatch.setattr(serving, "predict", fake.predict)
    monkeypatch.setattr(serving, "call_endpoint", lambda verb, run: getattr(fake, verb))
    return fake


def page(key: str, visitor: str = ANN) -> AppTest:
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = visitor
    at.run()
    at.query_params.update(address(key, visitor))
    at.query_params["section"] = "try"
    return without_error(at.switch_page("run.py").run())


def without_error(at: AppTest) -> AppTest:
    assert not at.exception, at.exception
    return at


def answer_text(at: AppTest, text: str) -> AppTest:
    at.text_area[0].set_value(text)
    next(button for button in at.button if button.label == "Answer").click()
    return without_error(at.run())


def upload_pictures(at: AppTest, count: int = 1) -> AppTest:
    at.file_uploader[0].set_value([(f"{n}.png", png(), "image/png") for n in range(count)])
    return without_error(at.run())


def bars(at: AppTest) -> list[str]:
    return [bar.proto.text for bar in at.get("progress")][1:]  # the first is the run's own


def test_loading_shows_its_progress(model):
    model.status = LoadStatus(False, "Looking at what it learned from", 0.4)
    at = page(finished_run())
    assert "The model is being loaded. Looking at what it learned from." in bars(at)
    assert not at.file_uploader


def test_failed_loading_shows_the_reason_and_can_be_retried(model, monkeypatch):
    model.status = LoadStatus(False, error="The disk *broke*.")
    retried = []
    monkeypatch.setattr(serving, "retry_loading", retried.append)
    key = finished_run()
    at = page(key)
    assert "The disk \\*broke\\*\\." in words(at)
    next(button for button in at.button if button.label == "Try again").click()
    at.run()
    assert retried == [key]


def test_a_run_without_weights_loads_no_model(monkeypatch):
    def fail(run):
        raise AssertionError("The model was loaded.")

    monkeypatch.setattr(serving, "poll_loading", fail)
    assert "There is no model here to try" in words(page(finished_run(model=False)))


def test_a_picture_gets_its_likeliest_classes(model):
    at = upload_pictures(page(finished_run()))
    assert bars(at) == ["\\<b\\>cat\\</b\\>: 97 %", "dog: 3 %"]
    assert "Not sure" not in words(at)
    assert "Unlike" not in words(at)


def test_the_slider_moves_the_threshold_below_which_it_says_not_sure(model):
    model.answer = Prediction(sureness=[0.62, 0.38], unlike=False, shown=SHOWN)
    key = finished_run()
    at = upload_pictures(page(key))
    assert ":gray-badge[:material/help: Not sure]" in words(at)
    at.select_slider(key=f"wanted-{key}").set_value(70)
    assert "Not sure" not in words(without_error(at.run()))
    assert len(model.requests) == 1  # moving the slider sends no request


def test_without_calibration_there_is_no_slider(model):
    model.answer = Prediction(sureness=[0.51, 0.49], unlike=False, shown=SHOWN)
    at = upload_pictures(page(finished_run(calibrated=False)))
    assert not at.select_slider
    assert "no line below which" in words(at)
    assert ":gray-badge" not in words(at)


def test_out_of_distribution_inputs_get_no_percentage(model):
    model.answer = Prediction(sureness=[0.01, 0.99], unlike=True, rarer=0.0, shown=SHOWN)
    at = upload_pictures(page(finished_run()))
    assert "Unlike what it learned from" in words(at)
    assert bars(at) == []
    assert "99 %" not in words(at)
    many = upload_pictures(at, 8)
    (table,) = many.dataframe
    assert table.value["Answer"].tolist() == ["Unlike what it learned from"] * 8
    assert "Probability" not in table.value  # no input has one


def test_without_training_no_probability_is_claimed(model):
    model.answer = Prediction(sureness=[0.5, -0.5], unlike=False, shown=SHOWN)
    at = upload_pictures(page(finished_run("none", calibrated=False)))
    assert bars(at) == ["\\<b\\>cat\\</b\\>: 50 alike", "dog: -50 alike"]
    assert "Without training there are no probabilities" in words(at)


def test_an_unreadable_input_is_reported(model):
    model.answer = Prediction(error="This file could not be read as a picture.")
    at = upload_pictures(page(finished_run()))
    assert "could not be read as a picture" in words(at)
    assert bars(at) == []


def test_an_inference_error_is_shown_on_the_page(model):
    model.error = "There was no answer within 60 seconds."
    assert "There was no answer within 60 seconds" in words(upload_pictures(page(finished_run())))


def test_a_test_example_is_one_click_away(model):
    raw = base64.b64encode(png()).decode()
    model.starters = [{"label": "dog", "picture": raw}]
    key = finished_run()
    at = page(key)
    at.session_state[f"starter-{key}"] = 0
    assert "Example 1 of the test (the right answer: **dog**)" in words(without_error(at.run()))
    assert model.requests == [(key, [png()])]


def test_one_text_many_lines_and_their_table(model):
    model.answer = Prediction(sureness=[0.97, 0.03], unlike=False)
    key = finished_run(data="messages")
    at = answer_text(page(key), HOSTILE)
    assert not any(":red[hot]" in line for line in words(at).splitlines())
    assert model.requests == [(key, [HOSTILE])]
    at.session_state[f"way-{key}"] = "lines"
    at = answer_text(without_error(at.run()), "\n".join(f"line {n}" for n in range(9)))
    (table,) = at.dataframe
    assert table.value["Answer"].tolist() == ["<b>cat</b>"] * 9
    assert [button.label for button in at.get("download_button")] == ["Download the answers (CSV)"]


def answer_lines(at: AppTest, key: str, count: int) -> AppTest:
    at.session_state[f"way-{key}"] = "lines"
    return answer_text(without_error(at.run()), "\n".join(f"line {n}" for n in range(count)))


def test_many_inputs_are_checked_for_drift(model):
    model.answer = Prediction(sureness=[0.97, 0.03], unlike=True, distance=0.9)
    model.tested = [
        {"sureness": [0.9, 0.1], "unlike": n < 5, "distance": 0.5 + n / 500} for n in range(100)
    ]
    key = finished_run(data="messages")
    at = answer_lines(page(key), key, 40)
    assert "40 of 40 (100 %) are unlike anything it learned from; that is more than" in words(at)
    assert "Other than in its test" in words(at)


@pytest.mark.parametrize(("lines", "says"), [(9, "takes 20 different inputs"), (40, "fewer than")])
def test_too_few_inputs_for_the_drift_test_are_reported(lines, says, model):
    key = finished_run(data="messages")
    at = answer_lines(page(key), key, lines)  # without test answers
    assert says in words(at)
    assert "in its test" not in words(at).lower()


def test_a_table_keeps_its_columns(model):
    model.answer = Prediction(sureness=[0.97, 0.03], unlike=False)
    key = finished_run(data="messages")
    at = page(key)
    at.session_state[f"way-{key}"] = "table"
    at = without_error(at.run())
    csv_text = "id,text\n" + "".join(f"{n},text number {n}\n" for n in range(70))
    at.file_uploader[0].set_value(("t.csv", csv_text.encode(), "text/csv"))
    at = without_error(at.run())
    next(button for button in at.button if button.label == "Answer 70 rows").click()
    at = without_error(at.run())
    assert [len(inputs) for _, inputs in model.requests] == [
        serving.MAX_INPUTS,
        70 - serving.MAX_INPUTS,
    ]
    names, rows = join_columns(
        [model_inputs.ModelInput("Row 1", "=1", columns=("id", "Answer"), row=("7", "=1"))],
        {"Input": ["=1"], "Answer": ["dog"]},
    )
    assert (names, rows) == (["id", "Answer", "Answer (model)"], [["7", "=1", "dog"]])


def test_a_file_that_is_no_table_is_reported(model):
    key = finished_run(data="messages")
    at = page(key)
    at.session_state[f"way-{key}"] = "table"
    at = without_error(at.run())
    at.file_uploader[0].set_value(("t.csv", b"\x00\x01\x02" * 99, "text/csv"))
    assert "not a table of text" in words(without_error(at.run()))


def test_a_second_model_answers_the_same_inputs(model):
    second, key = finished_run("transfer"), finished_run("hybrid")
    finished_run("transfer", data="messages")
    finished_run("transfer", visitor="somebody-else-0000")
    at = page(key)
    (choice,) = [box for box in at.selectbox if box.label == "Beside another model"]
    assert choice.value == second  # the same data, another approach
    assert len(choice.options) == 2  # including None
    upload_pictures(at)
    assert sorted(run for run, _ in model.requests) == sorted([key, second])
    assert len(bars(at)) == 4


def test_models_in_the_object_store_are_fetched_when_chosen(model, monkeypatch):
    away, key = finished_run("transfer", model=False), finished_run("hybrid")
    fetched = []
    monkeypatch.setattr(object_store, "storage_url", lambda: "s3://models")
    monkeypatch.setattr(object_store, "download", lambda kind, run: fetched.append(run))
    monkeypatch.setattr(serving, "poll_loading", lambda run: fetched.append(run) or model.status)
    at = page(key)
    (choice,) = [box for box in at.selectbox if box.label == "Beside another model"]
    assert (choice.value, len(choice.options)) == ("", 2)
    assert set(fetched) == {key}
    choice.set_value(away)
    without_error(at.run())
    assert set(fetched) == {key, away}


@pytest.mark.parametrize(
    ("approach", "says"), [("simple", "holds no example out"), ("transfer", "older version")]
)
def test_without_validation_the_reason_is_shown(approach, says, model):
    text = words(page(finished_run(approach, calibrated=False)))
    assert says in text
    assert "Run it again" not in text


def test_a_model_of_uploaded_data_is_for_its_owner_only(model, monkeypatch):
    key = finished_run()
    at = page(key)
    assert at.file_uploader
    own = get_store().get_run(key)
    object.__setattr__(own.job, "data", "own-aaaaaaaaaaaa")
    monkeypatch.setattr(get_store(), "get_run", lambda run: own)
    at = page(key, visitor="somebody-else-0000")
    assert not at.file_uploader
    assert "somebody's own data" in words(at)


def test_a_threshold_is_described_with_its_counts():
    text = describe_threshold(choose_threshold(CONFIDENCE, CORRECT, 0.9))
    assert "60 would be answered (60%), 60 of them rightly (100%)" in text
    assert "too few" not in text
    assert "of new answers fewer may be right" in text
    assert "at best" in describe_threshold(choose_threshold([0.9] * 8, [True] * 8, 0.95))
    always = describe_threshold(choose_threshold(CONFIDENCE, CORRECT, 0.7))
    assert "may answer always" in always
    assert "fewer may be right" not in always  # no threshold was needed


def test_the_curve_shows_every_threshold_and_the_chosen_one():
    steps, chosen = (
        coverage_accuracy_curve(CONFIDENCE, CORRECT),
        choose_threshold(CONFIDENCE, CORRECT, 0.9),
    )
    curve, bound, mark = abstention.coverage_accuracy_curve(steps, chosen, "#112233")["data"]
    assert curve["x"] == [100.0, 60.0]
    assert curve["y"] == [80.0, 100.0]
    assert all(under < share for under, share in zip(bound["y"], curve["y"], strict=True))
    assert (mark["x"], mark["y"]) == ([60.0], [100.0])
    assert "fixed beforehand" in bound["name"]  # for one threshold, not for the best of many


def test_the_upload_limit_of_tables_is_within_that_of_datasets():
    assert model_inputs.MAX_TABLE_BYTES <= 50 * MB
