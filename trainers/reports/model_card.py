"""The README.md of a take-away zip: a model card in Hugging Face's form, from a run's events."""

from collections.abc import Mapping, Sequence
from typing import Any

from scipy.stats import binomtest

from guide.approaches import APPROACHES
from trainers import backbones, datasets
from trainers.events import (
    CalibrationDone,
    Event,
    Notice,
    PhaseDone,
    PhaseStarted,
    PredictionsRecorded,
    RunStarted,
)
from trainers.plan import Plan
from trainers.reports.mistakes import load_test_groups
from trainers.store import Run, data_title
from trainers.system.registry import UnknownKey

MAX_CLASSES_LISTED = 100
PREDICT_COMMANDS = {
    "images": "python predict.py photo.jpg",
    "text": 'python predict.py "your text"',
}

ONNX_USAGE = {
    "images": "- `model.onnx`: the whole model for programs that are not written in Python. Takes "
    "`pictures`, float32 (n, 3, side, side), red, green, blue in 0 to 1, resized and cropped as "
    "config.json says; the means are taken off inside. It was held to proof.json",
    "text": "- `model.onnx`: the whole model for programs that are not written in Python. Takes "
    "`ids`, int64 (n, length), of the tokenizer in encoder/, and `mask`, bool, true where there is "
    "a word piece and false where a shorter text was filled up. It was held to proof.json",
}


def render_card(
    run: Run,
    events: Sequence[Event],
    comparison: Mapping[str, Any] | None,
    *,
    onnx: bool = False,
) -> str:
    """Return the model card of a finished run.

    `comparison` is the result of one that the run was part of; `onnx`: the zip has that format,
    too.
    """
    plan = Plan.from_json(run.result["repeat"])
    parts = {
        "": _render_summary(run, plan),
        "Use it": _render_usage(plan),
        "Data": _render_data(run, plan, events),
        "How it was made": _render_training(run, plan, events),
        "Was another approach better?": _render_advice(run, comparison),
        "Scores": _render_scores(run, events),
        "Limits": _render_limitations(run, plan, events),
        "Licence": _render_licence(plan),
        "Files": _render_files(plan, onnx=onnx),
    }
    lines = [f"## {title}\n\n{text}" if title else text for title, text in parts.items()]
    return f"---\n{_render_front_matter(run, plan)}\n---\n\n" + "\n\n".join(lines) + "\n"


def _render_front_matter(run: Run, plan: Plan) -> str:
    """Return the YAML that Hugging Face reads."""
    from huggingface_hub import EvalResult, ModelCardData  # half a second

    row = backbones.pick(plan.backbone)
    task = "image-classification" if row.modality == "images" else "text-classification"
    based = plan.approach not in ("scratch", "simple") and "/" in row.source
    scores = {"accuracy": run.result["test_accuracy"], "f1": run.result["macro_f1"]}
    return ModelCardData(
        model_name=_render_title(run, plan),
        base_model=row.source if based else None,
        pipeline_tag=task,
        tags=["thaw", plan.approach],
        eval_results=[
            EvalResult(
                task_type=task,
                dataset_type=plan.data,
                dataset_name=data_title(plan.data),
                dataset_split="test",
                metric_type=metric,
                metric_name="macro-F1" if metric == "f1" else metric,
                metric_value=round(value, 4),
            )
            for metric, value in scores.items()
        ],
    ).to_yaml()


def _render_title(run: Run, plan: Plan) -> str:
    return f"{data_title(plan.data)}: {APPROACHES[plan.approach].title}"


def _render_summary(run: Run, plan: Plan) -> str:
    result, row = run.result, backbones.pick(plan.backbone)
    what = "pictures" if row.modality == "images" else "texts"
    labels = ", ".join(map(_escape_markdown, result["classes"][:MAX_CLASSES_LISTED]))
    right = _format_accuracy(result["test_right"], result["test_examples"])
    more = len(result["classes"]) - MAX_CLASSES_LISTED
    return (
        f"# {_escape_markdown(_render_title(run, plan))}\n\n"
        f"Sorts {what} into {len(result['classes'])} classes: {labels}"
        f"{f', and {more:,} more' if more > 0 else ''}. On {result['test_examples']:,} examples "
        f"that it had never seen it was right {right}."
    )


def _render_usage(plan: Plan) -> str:
    row = backbones.pick(plan.backbone)
    column = "text" if row.modality == "text" else "file"
    lines = [
        "```sh",
        "python -m pip install -r requirements.txt",
        PREDICT_COMMANDS[row.modality],
        "python predict.py --csv in.csv out.csv",
        "python predict.py --check",
        "```",
        "",
        f"The table's first line names its columns; the one called `{column}` is answered, or "
        "`--column NAME`. `--check` asks the questions in proof.json again and says by how much "
        "the answers differ from those that the model gave when it was made. "
        'Answers less sure than `not_sure_below` in config.json become "not sure". It stands '
        "there where the run's checks carried a line; change it, or take it out.",
    ]
    if row.modality == "images":
        lines += ["", "Pictures: JPEG, PNG, WebP and what else Pillow reads."]
    if plan.approach == "none":
        lines += [
            "",
            "Nothing was trained, so there are no probabilities: the numbers say how alike an "
            "example and a class are, from -1 to 1, and are good for ranking only. A sensible "
            "`not_sure_below` has to be found by trying.",
        ]
    return "\n".join(lines)


def _render_data(run: Run, plan: Plan, events: Sequence[Event]) -> str:
    result = run.result
    started = next((event for event in events if isinstance(event, RunStarted)), None)
    held = started.validation_examples if started else 0
    try:
        sample = datasets.get_dataset(plan.data)
        about = f"**{_escape_markdown(sample.title)}.** {sample.description} Made: {sample.origin}."
    except (UnknownKey, AttributeError):
        about = f"**{_escape_markdown(plan.data)}.** It is not on the computer any more."
    counts = f"{result['train_examples']:,} examples to learn from"
    if held and plan.approach != "simple":
        counts += f" ({held:,} of them held out to see when to stop)"
    return f"{about}\n\n{counts}; {result['test_examples']:,} others for the test, used once."


def _render_training(run: Run, plan: Plan, events: Sequence[Event]) -> str:
    approach, row = APPROACHES[plan.approach], backbones.pick(plan.backbone)
    lines = [f"**{approach.title}.** {approach.description}", ""]
    if plan.approach != "simple":
        lines.append(f"- Backbone: {row.name} (`{row.key}`; {row.source}).")
    done = {event.phase: event for event in events if isinstance(event, PhaseDone)}
    for event in events:
        if isinstance(event, PhaseStarted):
            ended = done.get(event.phase)
            how = (
                f", {ended.epochs:.1f} passes over the examples ({ended.stop_reason})"
                if ended
                else ""
            )
            rate = event.learning_rate  # none where the last layer alone is solved for
            lines.append(
                f"- {event.title}: {event.trainable_parameters:,} numbers learned"
                f"{f' at a rate of {rate:g}' if rate else ''}{how}."
            )
    lines += [
        f"- {run.result['learnable_parameters']:,} of {run.result['parameters']:,} numbers "
        f"learned in the end; {run.result['seconds']:.0f} of {plan.seconds:g} seconds were used.",
        "- plan.json names every setting and step; `python train.py` repeats the run, and needs "
        "Thaw for it.",
    ]
    return "\n".join(lines)


def _render_advice(run: Run, comparison: Mapping[str, Any] | None) -> str:
    if comparison is None:
        return (
            "Not known: this run stood alone. A comparison in Thaw runs every approach on the "
            "same examples and says how sure the difference is."
        )
    lines = []
    if advised := comparison.get("advised"):
        same = " It is this one." if advised == run.result["approach"] else ""
        lines.append(f"Advised was: {APPROACHES[advised].title}.{same} {comparison['verdict']}")
    lines += ["", "| approach | right | 95 % interval |", "|---|---|---|"]
    for lane in comparison["runs"]:
        low, high = lane["test_accuracy_low"], lane["test_accuracy_high"]
        lines.append(
            f"| {APPROACHES[lane['approach']].title} | {lane['test_accuracy']:.1%} "
            f"| {low:.1%} to {high:.1%} |"
        )
    return "\n".join(lines)


def _render_scores(run: Run, events: Sequence[Event]) -> str:
    """Over all, and of each class: how many of its examples were right."""
    result = run.result
    right = [row[n] for n, row in enumerate(result["confusion"])]
    asked = [sum(row) for row in result["confusion"]]
    lines = [
        f"Right: {_format_accuracy(result['test_right'], result['test_examples'])}. "
        f"Macro-F1 (every class counts the same): {result['macro_f1']:.2f}. Intervals are 95 %, "
        "after Wilson.",
        "",
        "| class | test examples | right | 95 % interval |",
        "|---|---|---|---|",
    ]
    for name, good, count in list(zip(result["classes"], right, asked, strict=True))[
        :MAX_CLASSES_LISTED
    ]:
        if not count:
            lines.append(f"| {_escape_markdown(name)} | 0 | not tested | |")
            continue
        low, high = wilson_interval(good, count)
        lines.append(
            f"| {_escape_markdown(name)} | {count:,} | {good / count:.0%} | "
            f"{low:.0%} to {high:.0%} |"
        )
    answered = next((event for event in events if isinstance(event, PredictionsRecorded)), None)
    lines += [
        "",
        "A class whose interval lies wholly below another's is served worse by this model. "
        + (
            "How the groups fare that the data names stands in report.html; of others nothing is "
            "known."
            if load_test_groups(run, answered, result["classes"])
            else "Groups of people or things within a class were not looked at: nothing is known "
            "of them."
        ),
    ]
    return "\n".join(lines)


def _render_limitations(run: Run, plan: Plan, events: Sequence[Event]) -> str:
    lines = list_limitations(run, plan, events)
    if plan.approach != "simple":
        lines.append(
            "The scores were measured with the numbers that are quickest on the computer that "
            "trained it; predict.py computes in float32, so answers close to a tie can differ."
        )
    return "\n".join(f"- {line}" for line in lines)


def list_limitations(run: Run, plan: Plan, events: Sequence[Event]) -> list[str]:
    """Return what the model of a finished run cannot do, and what its score does not say."""
    lines = [
        "It knows these classes and nothing else: whatever it is given, it answers with one of "
        "them, and can be sure and wrong.",
        "The scores hold for examples like those of the test. On others, from another camera, "
        "place, time or writer, they may be lower.",
        f"{run.result['test_examples']:,} test examples allow no finer word than the interval "
        "above.",
        "It was made to try an approach out. Before it decides anything about people, health, "
        "money or safety it needs tests of its own.",
    ]
    if plan.approach != "simple":
        lines.insert(2, f"It reads {backbones.pick(plan.backbone).input_description}.")
    if plan.approach != "none":
        lines.append(_render_calibration(events))
    return lines + [e.text for e in events if isinstance(e, Notice) and e.is_limitation]


def _render_calibration(events: Sequence[Event]) -> str:
    fitted = next((event for event in events if isinstance(event, CalibrationDone)), None)
    if fitted is None:
        return "Its probabilities are as they came out of training, not corrected."
    return (
        f"Its probabilities are calibrated: its scores are divided by {fitted.temperature:.3g} "
        f"(Guo et al. 2017), fitted on {len(fitted.correct):,} examples that it "
        "had not learned from."
    )


def _render_licence(plan: Plan) -> str:
    row = backbones.pick(plan.backbone)
    text = "The code in this zip is Thaw's, Apache-2.0."
    if plan.approach not in ("simple", "scratch"):
        text += f" The backbone's weights: {row.licence} ({row.source})."
    return (
        f"{text} What was learned comes from your data: whether you may pass it on depends on the "
        "data's licence. Add `license:` at the top of this file when you publish it."
    )


def _render_files(plan: Plan, *, onnx: bool) -> str:
    return "\n".join(
        [
            "- `model.safetensors`: what was learned, and no more than that",
            "- `config.json`: labels, how examples are made ready, and which pre-trained model "
            "lies underneath, by SHA-256",
            "- `predict.py`, `network.py`: the answers, without Thaw",
            "- `proof.json`: a few test examples and the model's answers. They come from your "
            "data: mind that when you pass this zip on",
            "- `plan.json`, `result.json`, `train.py`: the run, what came of it, and how to "
            "repeat it",
            "- `report.html`: the run on one page, to read, print or send; no example is in it",
            "- `requirements.txt`: the versions it was made with",
            *([ONNX_USAGE[backbones.pick(plan.backbone).modality]] if onnx else []),
        ]
    )


def _format_accuracy(right: int, count: int) -> str:
    low, high = wilson_interval(right, count)
    return f"{right / count:.1%} of the time ({right:,} of {count:,}; {low:.1%} to {high:.1%})"


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    found = binomtest(right, count).proportion_ci(0.95, method="wilson")
    return found.low, found.high


def _escape_markdown(text: str) -> str:
    """A name of the visitor's, so that Markdown and HTML leave it as it is."""
    escaped = "".join(f"\\{c}" if c in "\\`*_{}[]<>()#!|" else c for c in text)
    return " ".join(escaped.split())
