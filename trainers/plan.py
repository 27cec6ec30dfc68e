"""A plan: everything that decides a run, as a frozen record that is stored as JSON."""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from pydantic import PlainSerializer, ValidationError

from guide.approaches import APPROACHES
from trainers import backbones, datasets
from trainers.system.records import JsonRecord, describe_error, stored_as
from trainers.system.registry import UnknownKey, look_up

MAX_SECONDS = 24 * 3600
TRAINABLE_CHOICES = ("auto", "lora", "all")


class BadPlan(ValueError):
    """A plan that cannot be run; the text says what was asked, what is wrong, what to do next."""


class StepPlan(NamedTuple):
    """How many steps a phase took, so that it can be repeated without a clock."""

    planned: int  # 0: the time was up before enough steps were timed to plan them
    done: int
    timed: int  # steps before they were planned; 0 if their number was known from the start
    stop_reason: str = ""  # "": not recorded (before 0.2)


def _dump_step_plan(steps: StepPlan) -> list:
    return list(steps if steps.stop_reason else steps[:-1])  # as version 0.1 stored it


@dataclass(frozen=True)
class RecordedSchedule(JsonRecord):
    """What the clock decided in a run, so that the run can be repeated without a clock."""

    train_examples: Annotated[int, stored_as("train")]  # training examples used
    validation_examples: Annotated[int, stored_as("validation")]
    test_examples: Annotated[int, stored_as("test")]
    steps: tuple[Annotated[StepPlan, PlainSerializer(_dump_step_plan)], ...]  # of each phase
    refit_steps: Annotated[int, stored_as("refit")] = 0  # steps on all examples in the end
    # Examples that set the scale of a head that learns together with the encoder.
    calibration_examples: Annotated[int, stored_as("calibration")] = 256
    # Whether the head saw each image and its mirror image.
    horizontal_flip: Annotated[bool, stored_as("mirrored")] = False


@dataclass(frozen=True, kw_only=True)
class Plan(JsonRecord):
    """Everything that decides a run. Raises `BadPlan` if it could never run."""

    data: str
    approach: str
    backbone: str = ""  # "": the default for this data
    examples_per_class: Annotated[int | None, stored_as("per_class")] = None  # None: all
    seconds: float = 30  # budget of wall time: a ceiling, never padded
    seed: int = 0
    # In fine-tuning and hybrid: "lora", "all", or "auto", as the backbone says.
    trainable: Annotated[str, stored_as("what_learns")] = "auto"
    # None: the clock decides.
    schedule: Annotated[RecordedSchedule | None, stored_as("pace")] = None
    # Keys of findings in a visitor's own data whose examples are left out.
    fixes: Annotated[tuple[str, ...], stored_as("mends")] = ()

    def __post_init__(self) -> None:
        try:
            sample = datasets.get_dataset(self.data)
            if not self.backbone:
                object.__setattr__(self, "backbone", backbones.pick_default(sample).key)
            backbone = backbones.pick(self.backbone)
            look_up(APPROACHES, self.approach, "approach")
        except UnknownKey as error:
            raise BadPlan(str(error)) from None
        if backbone.modality != sample.modality:
            fitting = ", ".join(b.key for b in backbones.list_for_modality(sample.modality))
            raise BadPlan(
                f"{backbone.key} reads {backbone.modality}, but {sample.key} is {sample.modality}. "
                f"Choose one of: {fitting}."
            )
        if self.trainable not in TRAINABLE_CHOICES:
            raise BadPlan(f"what_learns is {self.trainable!r}. It can be: {TRAINABLE_CHOICES}.")
        if self.seed < 0:
            raise BadPlan(f"The seed is {self.seed}. It must be 0 or more.")
        if not 0 < self.seconds <= MAX_SECONDS:
            raise BadPlan(
                f"The budget is {self.seconds:g} seconds. It must be above 0 and at most a day."
            )
        fewest = 0 if self.approach == "none" and sample.modality == "text" else 1
        if self.examples_per_class is not None and self.examples_per_class < fewest:
            raise BadPlan(
                f"{self.examples_per_class} examples of each class were asked for. Give 1 or more; "
                "0 works only for texts without training."
            )
        if self.fixes:
            self._check_fixes()

    def _check_fixes(self) -> None:
        from trainers.data_checks import FIXABLE_KEYS  # importing the checks is slow

        if not self.data.startswith("own-"):
            raise BadPlan(
                f"Fixes were asked for ({', '.join(self.fixes)}), but {self.data} is not data of "
                "your own. Leave them out."
            )
        if unknown := [key for key in self.fixes if key not in FIXABLE_KEYS]:
            raise BadPlan(f"No fix {unknown[0]!r}. There are: {', '.join(FIXABLE_KEYS)}.")

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Plan":
        """Return the plan that `as_json` turned into `data`. Raises `BadPlan`."""
        try:
            return super().from_json(data)
        except ValidationError as error:
            raise BadPlan(describe_error(error)) from None
