"""The settings of a room: what is run, and what its members may change."""

from dataclasses import dataclass
from typing import Annotated

from guide.approaches import APPROACHES
from guide.exercises import EXERCISES
from trainers import backbones, datasets
from trainers.plan import BadPlan, Plan
from trainers.system.records import JsonRecord, stored_as
from trainers.system.registry import look_up

CHANGEABLE_SETTINGS = {  # keys are stored: never rename one
    "data": "Data",
    "per_class": "Examples of each class",
    "seconds": "Time budget",
    "expert": "Expert settings",
}


class NotAllowedInRoom(ValueError):
    """The room does not allow it; the text says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class RoomSettings(JsonRecord):
    """The settings of a room. Raises `BadPlan` if no run is possible with them."""

    data: str = "digits"
    approaches: tuple[str, ...] = ("transfer", "fine_tune", "hybrid")  # members choose among them
    seconds: float = 20
    examples_per_class: Annotated[int | None, stored_as("per_class")] = 20
    backbone: str = ""
    # Keys of CHANGEABLE_SETTINGS.
    changeable: Annotated[tuple[str, ...], stored_as("may_change")] = ()
    # Everyone draws other examples of the same data, so that the board shows how much is luck.
    seed_per_person: Annotated[bool, stored_as("draws")] = True
    exercise: str = ""  # key in guide.exercises; "": none

    def __post_init__(self) -> None:
        for name in ("approaches", "changeable"):  # JSON has lists
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))
        if not self.approaches:
            raise BadPlan("No approach was chosen. A room needs at least one.")
        if self.data.startswith("own-"):
            raise BadPlan("Data of your own is seen in your browser only. Choose a sample.")
        if unknown := [key for key in self.changeable if key not in CHANGEABLE_SETTINGS]:
            raise BadPlan(
                f"{unknown[0]!r} cannot be set free. There are: {', '.join(CHANGEABLE_SETTINGS)}."
            )
        if self.exercise:
            look_up(EXERCISES, self.exercise, "exercise")
        for approach in self.approaches:
            self.make_plan(approach)

    def make_plan(self, approach: str, number: int = 1) -> Plan:
        """Return the default plan of the member with this number. Raises `BadPlan`."""
        return Plan(
            data=self.data,
            approach=approach,
            backbone=self.backbone,
            examples_per_class=self.examples_per_class,
            seconds=self.seconds,
            seed=self.seed_for(number),
        )

    def seed_for(self, number: int) -> int:
        return number if self.seed_per_person else 0

    def allows_change(self, setting: str) -> bool:
        return setting in self.changeable

    def check_plan(self, plan: Plan, number: int) -> None:
        """Raise `NotAllowedInRoom` if the plan of member `number` changes a locked setting."""
        if plan.approach not in self.approaches:
            known = ", ".join(APPROACHES[key].title for key in self.approaches)
            raise NotAllowedInRoom(
                f"{APPROACHES[plan.approach].title} is not for this room. Use: {known}."
            )
        if plan.data != self.data and not self.allows_change("data"):
            raise NotAllowedInRoom(
                f"In this room the data is {datasets.get_dataset(self.data).title}. Use that."
            )
        if plan.seconds != self.seconds and not self.allows_change("seconds"):
            raise NotAllowedInRoom(
                f"In this room a run has {self.seconds:g} seconds. Use that budget."
            )
        if plan.examples_per_class != self.examples_per_class and not self.allows_change(
            "per_class"
        ):
            count = (
                "all examples"
                if self.examples_per_class is None
                else f"{self.examples_per_class} of each class"
            )
            raise NotAllowedInRoom(f"In this room a run learns from {count}. Use as many.")
        expert = plan.backbone, plan.trainable, plan.seed, plan.schedule
        default = self.backbone_for(plan.data), "auto", self.seed_for(number), None
        if expert != default and not self.allows_change("expert"):
            raise NotAllowedInRoom(
                "In this room the expert settings stay as they are. Leave them out."
            )

    def backbone_for(self, data: str) -> str:
        """Return the room's backbone, or the default one if `data` has another modality."""
        dataset = datasets.get_dataset(data)
        if self.backbone and backbones.pick(self.backbone).modality == dataset.modality:
            return self.backbone
        return backbones.pick_default(dataset).key

    @classmethod
    def from_exercise(cls, key: str) -> "RoomSettings":
        """Return the settings for an exercise. Raises `UnknownKey`."""
        row = look_up(EXERCISES, key, "exercise")
        return cls(
            data=row.data,
            approaches=row.approaches,
            seconds=row.seconds,
            examples_per_class=row.examples_per_class,
            changeable=row.adjustable,
            exercise=key,
        )
