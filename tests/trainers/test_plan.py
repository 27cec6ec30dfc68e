"""Plans and events: what they refuse, and JSON both ways."""

import json
from dataclasses import MISSING, FrozenInstanceError, fields
from typing import Annotated, get_args, get_origin

import pytest

from guide.approaches import APPROACHES
from trainers import backbones, datasets
from trainers.events import KINDS, Event, Notice, RunFinished, from_json
from trainers.plan import MAX_SECONDS, BadPlan, Plan, RecordedSchedule, StepPlan
from trainers.system.registry import UnknownKey, build_registry, look_up


def through_json(data):
    return json.loads(json.dumps(data))


@pytest.mark.parametrize("approach", APPROACHES)
@pytest.mark.parametrize("data", datasets.BUNDLED_DATASETS)
def test_a_plan_survives_json(approach, data):
    plan = Plan(
        data=data, approach=approach, examples_per_class=7, seconds=12.5, seed=3, trainable="all"
    )
    assert Plan.from_json(through_json(plan.as_json())) == plan


@pytest.mark.parametrize(
    "steps", [(), (StepPlan(30, 20, 10),), (StepPlan(30, 20, 10), StepPlan(5, 5, 5, "stopped"))]
)
def test_a_plan_with_named_steps_survives_json(steps):
    plan = Plan(data="digits", approach="hybrid", schedule=RecordedSchedule(80, 20, 100, steps))
    assert Plan.from_json(through_json(plan.as_json())) == plan
    assert hash(plan) == hash(Plan.from_json(through_json(plan.as_json())))


def test_what_a_newer_version_added_is_passed_over():
    plan = Plan(data="digits", approach="transfer")
    assert Plan.from_json(plan.as_json() | {"colour": "red"}) == plan


@pytest.mark.parametrize(
    "sample", datasets.BUNDLED_DATASETS.values(), ids=lambda sample: sample.key
)
def test_without_a_backbone_the_bundled_one_for_the_data_is_taken(sample):
    plan = Plan(data=sample.key, approach="transfer")
    assert backbones.pick(plan.backbone).modality == sample.modality


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"data": "digit"}, "No sample 'digit'. Did you mean 'digits'?"),
        ({"approach": "finetune"}, "No approach 'finetune'. Did you mean 'fine_tune'?"),
        ({"backbone": "minilmm"}, "No backbone 'minilmm'. Did you mean 'minilm'?"),
        (
            {"backbone": "minilm"},
            "minilm reads text, but digits is images. Choose one of: small_resnet",
        ),
        ({"trainable": "some"}, "what_learns is 'some'. It can be"),
        ({"seconds": 0}, "The budget is 0 seconds"),
        ({"seconds": -1}, "The budget is -1 seconds"),
        ({"seconds": float("nan")}, "The budget is nan seconds"),
        ({"seconds": MAX_SECONDS + 1}, "at most a day"),
        ({"examples_per_class": 0}, "0 examples of each class were asked for"),
        (
            {"examples_per_class": -3, "data": "messages", "approach": "none"},
            "-3 examples of each class",
        ),
    ],
)
def test_a_plan_that_could_never_run_is_refused_in_one_line(wrong, words):
    with pytest.raises(BadPlan) as caught:
        Plan(**{"data": "digits", "approach": "transfer", **wrong})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_texts_without_training_need_no_example():
    assert Plan(data="messages", approach="none", examples_per_class=0).examples_per_class == 0


def test_a_plan_is_frozen():
    with pytest.raises(FrozenInstanceError):
        Plan(data="digits", approach="transfer").seed = 1


def made(kind: type[Event]) -> Event:
    """An event of this kind, with a value of each field's type."""
    values = {
        "str": "word",
        "int": 3,
        "float": 0.25,
        "bool": True,
        "dict": {"data": "digits"},
        "dict[str, int]": {"transfer": 3},
        "dict[str, str]": {"transfer": "word"},
        "dict[str, dict]": {"transfer": {"low": 0.1}},
        "list[str]": ["a", "b"],
        "list[int]": [1, 2],
        "list[float]": [0.5],
        "list[bool]": [True, False],
        "list[dict]": [{"name": "stem", "parameters": 2, "learnable": 0}],
        "list[list[int]]": [[1, 0], [0, 1]],
        "list[list[float]]": [[0.5, 1.5]],
        "float | None": None,
        "int | None": None,
    }
    names = {f.name: f.type if isinstance(f.type, str) else spelled(f.type) for f in fields(kind)}
    names.pop("type")
    return kind(**{name: values[spelling] for name, spelling in names.items()})


def alias_of(field) -> str:
    """Return the field's name in JSON."""
    if get_origin(field.type) is Annotated:
        return get_args(field.type)[1].alias
    return field.name


def spelled(kind) -> str:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind.__name__ if type(kind) is type else str(kind)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.type)
def test_an_event_survives_json(kind):
    event = made(kind)
    data = through_json(event.as_json())
    assert data["type"] == kind.type
    assert from_json(data) == event
    assert from_json(data | {"added_later": 1}) == event


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.type)
def test_an_event_is_frozen_and_older_ones_can_still_be_read(kind):
    """A field that came later has a default, and stands behind those that did not."""
    required = {
        alias_of(field)
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    }
    older = {name: value for name, value in made(kind).as_json().items() if name in required}
    assert type(from_json(older | {"type": kind.type})) is kind
    with pytest.raises(FrozenInstanceError):
        made(kind).seconds = 1.0


def test_kinds_are_named_in_snake_case():
    assert "phase_started" in KINDS
    assert RunFinished.type == "finished"
    assert Notice.type == "notice"


class Row:
    def __init__(self, key: str) -> None:
        self.key = key


def test_a_registry_keeps_its_order_and_refuses_a_second_row_of_a_name():
    assert list(build_registry(Row("b"), Row("a"))) == ["b", "a"]
    with pytest.raises(ValueError, match="'a'"):
        build_registry(Row("a"), Row("b"), Row("a"))


def test_a_registry_cannot_be_written():
    with pytest.raises(TypeError):
        build_registry(Row("a"))["b"] = Row("b")


def test_an_unknown_key_names_what_exists():
    with pytest.raises(UnknownKey) as caught:
        look_up(build_registry(Row("apple"), Row("pear")), "aple", "fruit")
    assert str(caught.value) == "No fruit 'aple'. Did you mean 'apple'? There are: apple, pear."
