"""A plan: all that decides a run. Frozen, JSON both ways."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from guide.approaches import APPROACHES
from trainers import backbones, datasets
from trainers.system.registry import UnknownKey, look_up

MAX_SECONDS = 24 * 3600
TRAINABLE_CHOICES = ("auto", "lora", "all")


class BadPlan(ValueError):
    """A plan that cannot be run; the text says what was asked, what is wrong, what to do next."""


@dataclass(frozen=True)
class RecordedSchedule:
    """What a clock decided in a run, named so that the run can be repeated without it."""

    train_examples: int  # training examples used
    validation_examples: int
    test_examples: int
    steps: tuple[tuple[int, int, int], ...]  # per phase: steps planned, done, timed
    refit_steps: int = 0  # steps on all examples in the end
    calibration_examples: int = 256  # examples that set the scale of a head that learns with all
    horizontal_flip: bool = False  # the last layer saw each picture and its mirror image


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Raises `BadPlan` where it could never run."""

    data: str
    approach: str
    backbone: str = ""  # "": the bundled one for this kind of data
    examples_per_class: int | None = None  # examples of each class; None: all there are
    seconds: float = 30  # budget of wall time: a ceiling, never padded
    seed: int = 0
    trainable: str = "auto"  # in fine-tuning and hybrid: "lora", "all", or as the backbone says
    schedule: RecordedSchedule | None = None  # None: the clock sets the steps
    fixes: tuple[str, ...] = ()  # keys of findings: what they name of own data is left out

    def __post_init__(self) -> None:
        try:
            sample = datasets.get_dataset(self.data)
            if not self.backbone:
                bundled = backbones.list_for_modality(sample.modality)[0].key
                object.__setattr__(self, "backbone", bundled)
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
        names_alone = self.approach == "none" and sample.modality == "text"
        if self.examples_per_class is not None and self.examples_per_class < (
            0 if names_alone else 1
        ):
            raise BadPlan(
                f"{self.examples_per_class} examples of each class were asked for. Give 1 or more; "
                "0 works only for texts without training."
            )

        if self.fixes:
            self._check_fixes()

    def _check_fixes(self) -> None:
        from trainers.data_checks import FIXABLE_KEYS  # it needs the samples, which take a while

        if not self.data.startswith("own-"):
            raise BadPlan(
                f"Mends were asked for ({', '.join(self.fixes)}), but {self.data} is not data of "
                "your own. Leave them out."
            )
        if unknown := [key for key in self.fixes if key not in FIXABLE_KEYS]:
            raise BadPlan(f"No mend {unknown[0]!r}. There are: {', '.join(FIXABLE_KEYS)}.")

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"mends": list(self.fixes)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Plan":
        """The plan that `as_json` made `data` of. Raises `BadPlan`."""
        known = {field.name for field in fields(cls)}
        given = {name: value for name, value in data.items() if name in known}
        if given.get("pace"):
            steps = tuple(tuple(phase) for phase in given["pace"]["steps"])
            given["pace"] = RecordedSchedule(**given["pace"] | {"steps": steps})
        given["mends"] = tuple(given.get("mends", ()))
        return cls(**given)
