"""The baseline without a pre-trained model: logistic regression on pixels or on word counts."""

import errno
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from trainers.datasets import DatasetSplits
from trainers.evaluation.metrics import score
from trainers.events import Event, Notice, PredictionsRecorded, RunFinished, RunStarted, Stage
from trainers.plan import Plan
from trainers.system.atomic import atomic_write, write_text
from trainers.training.clock import Clock

# Pictures are reduced to this before their pixels are compared: four times as fast.
IMAGE_SIDE_PX = 16
EXAMPLES_PER_SECOND = 300  # ours: a regression on 768 values did 350 to 1,100 (two cores)
INVERSE_REGULARISATION = {
    "images": 0.01,
    "text": 10.0,
}  # C of LogisticRegression; pixels are many and alike
TFIDF_OPTIONS = {"sublinear_tf": True, "ngram_range": (1, 2)}
ABSENT_CLASS_LOGIT = -1e4  # the score of a class without an example: its probability is 0


def run_classical(
    plan: Plan,
    data: DatasetSplits,
    *,
    setup_seconds: float,
    notices: Sequence[str] = (),
    folder: Path | None = None,
) -> Iterator[Event]:
    """The events of a run without a network. Its budget limits the number of examples: the fit
    itself cannot be cut short. With `folder`, what was learned is left there."""
    clock = Clock(plan.seconds)
    most = (
        plan.schedule.train_examples
        if plan.schedule
        else max(50, int(EXAMPLES_PER_SECOND * plan.seconds))
    )
    inputs, labels = data.train.inputs[:most], data.train.labels[:most]
    yield RunStarted(
        approach=plan.approach,
        data=plan.data,
        backbone="",
        modality=data.modality,
        classes=list(data.classes),
        train_examples=len(labels),
        validation_examples=0,
        test_examples=len(data.test.labels),
        parameters=0,
        budget_seconds=plan.seconds,
        setup_seconds=setup_seconds,
        device="cpu",
    )
    for text in notices:
        yield Notice(text, clock.seconds())
    if len(labels) < len(data.train.labels):
        yield Notice(
            f"{plan.seconds:g} seconds are too short for all {len(data.train.labels):,} training "
            f"examples, so a fixed choice of {len(labels):,} is used.",
            clock.seconds(),
        )
    what = "words" if data.modality == "text" else "pixels"
    yield Stage("phase", f"Comparing {what} directly, without a network", clock.seconds())
    first = TfidfVectorizer(**TFIDF_OPTIONS) if data.modality == "text" else StandardScaler()
    model = make_pipeline(
        first, LogisticRegression(C=INVERSE_REGULARISATION[data.modality], max_iter=1000)
    )
    model.fit(_to_features(data.modality, inputs), labels)
    yield Stage("test", "Testing on examples never used so far", clock.seconds())
    tested = _to_features(data.modality, data.test.inputs)
    answers = model.predict(tested)
    result = score(data.test.labels, answers, len(data.classes))
    yield PredictionsRecorded(
        data.test.labels.tolist(),
        answers.tolist(),
        model.predict_proba(tested).max(1).round(3).tolist(),
        clock.seconds(),
    )
    if folder:
        try:
            save_classical(model, len(data.classes), folder)
        except OSError as error:  # the score is there: it must not be lost with the weights
            text = f"The trained model could not be kept on disk ({error.strerror})."
            yield Notice(text, clock.seconds())
    numbers = model[-1].coef_.size + model[-1].intercept_.size
    yield RunFinished(
        approach=plan.approach,
        data=plan.data,
        backbone="",
        classes=list(data.classes),
        train_examples=len(labels),
        test_examples=len(answers),
        test_correct=result.right,
        test_accuracy=result.accuracy,
        test_accuracy_low=result.low,
        test_accuracy_high=result.high,
        macro_f1=result.macro_f1,
        confusion_matrix=result.confusion,
        seconds=clock.seconds(),
        trainable_parameters=numbers,
        parameters=numbers,
        epochs=0.0,
        stopped_by_user=False,
        repeat_plan=_recorded_plan(plan, len(labels), len(answers)),
        stored_bytes=numbers * 8,  # its coefficients are float64
    )


def _recorded_plan(plan: Plan, train: int, test: int) -> dict:
    return plan.as_json() | {
        "pace": {"train": train, "validation": 0, "test": test, "steps": ()},
    }


def _to_features(modality: str, inputs) -> np.ndarray | list[str]:
    """Texts as they are; pictures as rows of pixels, float32 (N, 3 * side * side) in 0..1."""
    if modality == "text":
        return inputs
    small = [
        np.asarray(Image.fromarray(image).resize((IMAGE_SIDE_PX, IMAGE_SIDE_PX)))
        for image in inputs
    ]
    return np.stack(small).reshape(len(small), -1).astype(np.float32) / 255


def save_classical(model: Pipeline, classes: int, folder: Path) -> None:
    """Leave the regression in `folder` as numbers: scores are `inputs @ weight.T + bias`. Those
    of words are TF-IDF: `idf` of each, and the words beside it as words.json."""
    first, regression = model
    weight, bias = (
        np.zeros((classes, regression.coef_.shape[1])),
        np.full(classes, ABSENT_CLASS_LOGIT),
    )
    # Of two classes scikit-learn keeps one row: how much likelier the second is.
    known = regression.classes_ if len(regression.coef_) > 1 else regression.classes_[1:]
    bias[regression.classes_] = 0.0
    weight[known], bias[known] = regression.coef_, regression.intercept_
    folder.mkdir(parents=True, exist_ok=True)
    kept = {}
    if isinstance(first, TfidfVectorizer):
        words = first.get_feature_names_out().tolist()
        write_text(folder / "words.json", json.dumps(words))
        kept["idf"] = first.idf_
    else:
        weight /= first.scale_
        bias -= weight @ first.mean_
    try:
        with atomic_write(folder / "model.safetensors") as draft:
            save_file({"weight": weight, "bias": bias, **kept}, draft)
    except SafetensorError as error:  # its word for a disk that refuses
        raise OSError(errno.EIO, str(error)) from None


class ClassicalModel:
    """A regression that `save_classical` saved."""

    def __init__(self, folder: Path, modality: str) -> None:
        self.modality, self.tensors = modality, load_file(folder / "model.safetensors")
        if modality == "text":
            words = json.loads((folder / "words.json").read_text("utf-8"))
            self.vectorizer = TfidfVectorizer(**TFIDF_OPTIONS, vocabulary=words)
            self.vectorizer.idf_ = self.tensors["idf"]

    def predict_proba(self, inputs: Sequence) -> np.ndarray:
        """Probabilities, float (n, classes)."""
        plain = _to_features(self.modality, inputs)
        if self.modality == "text":
            plain = self.vectorizer.transform(plain)
        return softmax(plain @ self.tensors["weight"].T + self.tensors["bias"], axis=1)
