"""A plan, executed: `run(plan)` is the whole back end, a stream of events."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainers import backbones, data_checks, datasets
from trainers.backbones import compatibility
from trainers.datasets import DatasetSplits
from trainers.evaluation import calibration
from trainers.evaluation.metrics import score
from trainers.events import (
    Baseline,
    CalibrationDone,
    Event,
    Notice,
    PhaseDone,
    PhaseStarted,
    PredictionsRecorded,
    Progress,
    RunFinished,
    RunStarted,
    Stage,
    Step,
    WeightsCompared,
)
from trainers.networks.encoder import Encoder, Examples, get_device
from trainers.networks.loading import new_encoder, shared_encoder, weights_fingerprint
from trainers.plan import Plan, RecordedSchedule
from trainers.system import feature_cache
from trainers.system.errors import is_out_of_memory
from trainers.training import baselines, checkpoint, estimate
from trainers.training.checkpoint import Checkpoint, with_prefix
from trainers.training.checkpoint_file import CHECKPOINT_FILE
from trainers.training.features import (
    FEATURES_SHARE,
    ComputationCache,
    FeatureExtractor,
    SubsetInputs,
)
from trainers.training.head import HeadFit, assign_folds, cross_val_loss, fit_head
from trainers.training.loop import (
    BATCH_REDUCTION_FACTOR,
    Clock,
    DivergenceError,
    Head,
    Model,
    ValidationOutputs,
    extract_features,
    free_memory,
    train,
    trainable_state_dict,
)
from trainers.training.monitor import LiveMonitor
from trainers.training.peak_memory import PeakMemory
from trainers.training.prototypes import (
    assign_nearest,
    classify_by_class_mean,
    compute_class_means,
    set_prototype_head,
)
from trainers.training.recipes import LORA_RANK, Phase, build_phases
from trainers.training.weight_change import relative_weight_change

MAX_VALIDATION_EXAMPLES = 300  # more would cost time at every look and tell little more
FACTS_SAMPLE_SIZE = 60  # examples that are held against the backbone: decoding more takes time
FORWARDS_PER_STEP = (
    5  # forward passes that a step takes: 4.2 to 4.4 on MobileNet V2 and ResNet-18, bf16
)
# Mirror images: a second look at every picture gains about half a point (0.7 over 7 data sets with
# 5, 10 and 50 of each class; validation), so it gets no more than this.
FLIP_BUDGET_SHARE = 0.25
# What remains to be looked at takes longer than was timed: the timed texts may be shorter than
# those of the test; of pictures all are alike.
TIME_SAFETY_FACTOR = {"text": 1.5, "images": 1.2}


class BadData(ValueError):
    """Data that cannot be learned from; the text says what is wrong and what to do next."""


def never_stop() -> bool:
    return False


def run(
    plan: Plan,
    *,
    stop: Callable[[], bool] = never_stop,
    folder: Path | None = None,
    shared: ComputationCache | None = None,
    data: DatasetSplits | None = None,
    checks: bool = True,
) -> Iterator[Event]:
    """Execute `plan` and yield what happens; the last event is `Finished`.

    `stop` is asked between steps: once true, the best weights so far are tested and that is the
    end. Closing the generator abandons the run: no score. With `folder`, what was learned is left
    there as model.safetensors; on the way it keeps there where it stands, and where it finds that,
    it goes on from there and tells only what is new. Runs that differ in nothing but the approach
    may hand on what is `shared`; one with a `folder` and on its own finds frozen features of
    earlier ones on the disk. `data` stands in for what the plan names: a part of it, say. Without
    `checks` nothing is held out to see how it goes: all examples learn at once. Raises `BadData`,
    `Diverged`, `Broken`, and what loading raises.
    """
    began = time.monotonic()
    plan = replace(plan, backbone=backbones.pin_revision(plan.backbone))
    row = backbones.pick(plan.backbone)
    if plan.approach != "simple":
        row.check_here()
    torch.manual_seed(plan.seed)
    data = data or datasets.get_dataset(plan.data).data(plan.per_class, plan.seed, plan.mends)
    check_data(data, plan)
    if plan.approach == "simple":
        notices = [*describe_excluded(plan), *describe_shortage(data, plan)]
        spent = time.monotonic() - began
        yield from baselines.run_classical(
            plan, data, setup_seconds=spent, notices=notices, folder=folder
        )
        return
    behind = checkpoint.load_checkpoint(folder)
    remarks = compatibility.list_remarks(row, datasets.compute_facts(data, FACTS_SAMPLE_SIZE))
    body = new_encoder(plan.backbone, pretrained=plan.approach != "scratch")
    spent = time.monotonic() - began
    # Runs that are compared each pay for what they look at, so they find nothing on the disk.
    disk = None
    if folder and shared is None:
        disk = feature_cache.FeatureCache(plan.data, weights_fingerprint(plan.backbone))
    with PeakMemory() as memory:
        whole = _Run(
            plan,
            data,
            body,
            remarks,
            spent,
            stop,
            folder,
            shared or ComputationCache(),
            memory,
            checks,
            disk,
        )
        whole.go_on_from(behind)
        try:
            yield from whole.events()
        except DivergenceError:  # what was kept leads there again
            if folder:
                (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
            raise


def check_data(data: DatasetSplits, plan: Plan) -> None:
    """Raises `BadData` where a score would mean nothing."""
    present = len(np.unique(data.train.labels))
    if plan.approach == "none" and data.described and plan.per_class == 0:
        return
    if present < 2:
        raise BadData(
            f"{plan.data} has training examples of {present} class. To tell things apart a model "
            "needs at least two: add examples of another class."
        )


def describe_shortage(data: DatasetSplits, plan: Plan) -> list[str]:
    """What to say where there are fewer examples than the plan asks for."""
    fewest = min(np.bincount(data.train.labels), default=0)
    if not plan.per_class or fewest >= plan.per_class:
        return []
    return [
        f"{plan.per_class:,} examples of each class were asked for; one class has only {fewest:,}."
    ]


def describe_excluded(plan: Plan) -> list[str]:
    """What to say of examples that a mend leaves out."""
    if not plan.mends:
        return []
    rows = datasets.get_dataset(plan.data).mended(plan.mends)
    told = ", ".join(f"{len(some):,} {data_checks.CHECKS[key].mends}" for key, some in rows.items())
    return [f"Left out, as chosen when the data was looked over: {told}."]


def split_validation(parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places that learn and places that are held out: part 0 of cross-validation, a fifth of each
    class and at least one of every class that has two, if it is not too many."""
    held = np.flatnonzero(parts == 0)
    if len(held) > MAX_VALIDATION_EXAMPLES:
        held = np.sort(np.random.default_rng(0).permutation(held)[:MAX_VALIDATION_EXAMPLES])
    return np.setdiff1d(np.arange(len(parts)), held), held


def set_trainable(body: Encoder, phase: Phase) -> None:
    """Freezes the body, or sets it free, or adds LoRA to it; the head always learns."""
    body.requires_grad_(phase.learns == "all")
    if phase.learns == "lora":
        body.add_lora(LORA_RANK)
        body.to(get_device())
        for name, parameter in body.named_parameters():
            parameter.requires_grad_("lora_" in name)


class _Run:
    """One plan on its way: what the stages hand on to each other."""

    def __init__(
        self,
        plan: Plan,
        data: DatasetSplits,
        body: Encoder,
        remarks: Sequence[str],
        setup_seconds: float,
        stop: Callable[[], bool],
        folder: Path | None,
        shared: ComputationCache,
        memory: PeakMemory,
        checks: bool,
        disk: feature_cache.FeatureCache | None,
    ) -> None:
        self.disk = disk
        self.plan, self.data, self.body = plan, data, body
        self.setup_seconds, self.stop, self.folder = setup_seconds, stop, folder
        self.shared, self.memory, self.checks = shared, memory, checks
        self.clock = Clock(plan.seconds)
        self.notices = list(remarks)
        self.pace_steps: list[tuple[int, int, int]] = []
        self.epochs = 0.0
        self.refit_steps = 0
        self.checked: ValidationOutputs | None = None
        self.temperature: float | None = None
        self.stopped = self.mirrored = self.fewer = False
        self.checks_learn = False  # the checks are examples that are learned from
        self.keeper = checkpoint.CheckpointWriter(folder)
        self.behind: Checkpoint | None = (
            None  # where an interrupted run stood, until caught up with
        )
        self.start: dict[str, Tensor] | None = None  # of the phase on the network that is played
        self.known = plan.pace  # how many examples, where no clock is to say
        self.body.requires_grad_(False)  # until a phase says otherwise

    def go_on_from(self, behind: Checkpoint | None) -> None:
        if behind:
            self.behind, self.known = behind, RecordedSchedule(**behind.facts["pace"])
            self.fewer = behind.facts.get("fewer", False)
            self.clock.hold(behind.facts["seconds"])

    def events(self) -> Iterator[Event]:
        """What happens; of what an interrupted run has told already, what is done again."""
        for event in self._events():
            if not self.behind or isinstance(event, Stage | Progress):
                yield event

    def _events(self) -> Iterator[Event]:
        plan, data, clock = self.plan, self.data, self.clock
        self.parts = assign_folds(data.train.labels)
        learn, held = split_validation(self.parts)
        if plan.approach == "none" or not self.checks:
            learn, held = np.arange(len(data.train.labels)), np.array([], dtype=np.int64)
        elif not len(held):
            held, self.checks_learn = learn, True
            self.notices.append(
                "There is one example of each class, so none could be held out: progress is "
                "measured on the very examples that are learned, and says little."
            )
        self.looking = looking = FeatureExtractor(
            plan, data, self.body, clock, self.shared, self.disk
        )
        limits = looking.limits(learn, held, self.known)
        self.learn, self.held, self.test = learn, held, test = limits[:3]
        self.calibration = limits.calibration
        if limits.cut:
            self.notices.append(
                f"{plan.seconds:g} seconds are too short to look at all examples. A fixed choice "
                f"is used: {', '.join(limits.cut)}."
            )
        self.head = Head(self.body.features, len(data.classes)).to(get_device())
        self.model = Model(self.body, self.head)
        yield RunStarted(
            approach=plan.approach,
            data=plan.data,
            backbone=plan.backbone,
            modality=data.modality,
            classes=list(data.classes),
            train_examples=len(learn),
            validation_examples=0 if self.checks_learn else len(held),
            test_examples=len(test),
            parameters=sum(p.numel() for p in self.model.parameters()),
            budget_seconds=plan.seconds,
            setup_seconds=self.setup_seconds,
            machine=get_device().type,
            **self._forecast(),
        )
        self.notices += [*describe_excluded(plan), *describe_shortage(data, plan)]
        absent = [c for n, c in enumerate(data.classes) if n not in data.train.labels[learn]]
        if absent and len(learn):
            self.notices.append(
                f"No training examples of: {', '.join(absent[:5])}. The model cannot learn "
                "to give this answer."
            )
        for text in self.notices:
            yield Notice(text, clock.seconds())
        if plan.approach == "none":
            answers = yield from self._without_training()
            yield from self._tested(answers)
            return
        yield from self._trained()
        yield from self._calibrated()
        self.stopped = self.stop()
        yield Stage("test", "Testing on examples never used so far", clock.seconds())
        features = yield from self.looking.features(self.looking.test, test)
        if self.mirrored:
            of_mirrors = yield from self.looking.features(self.looking.test, test, mirrored=True)
            features = (features + of_mirrors) / 2
        self.head.eval()
        with torch.inference_mode():
            scores = self.head(features)
            sureness, answers = scores.softmax(1).max(1)
        yield from self._tested(answers, sureness, scores)

    def _trained(self) -> Iterator[Event]:
        plan, data, clock = self.plan, self.data, self.clock
        labels = torch.from_numpy(data.train.labels)
        learn, held = torch.from_numpy(self.learn), torch.from_numpy(self.held)
        to_play = build_phases(plan.approach, data.modality, self._what_learns())
        if plan.pace:
            to_play = to_play[: len(plan.pace.steps)]  # fewer where the run was stopped early
        on_features = any(phase.learns == "head" for phase in to_play)
        self.view = view = LiveMonitor(labels[held])
        yield view.watch(data.train.inputs, self.held, data.train.labels)
        if not self.behind or to_play[self.behind.facts["phase"]].learns == "head":
            features, held_features = yield from self._looked_at(learn, held, on_features)
            learn = torch.from_numpy(self.learn)

        looks_left = (1 + self.mirrored) * len(self.test) + len(self.held)
        each = TIME_SAFETY_FACTOR[data.modality] * self.looking.seconds_each
        reserve = each * looks_left + 0.02 * plan.seconds
        end = plan.seconds - reserve
        taught = None
        for number, phase in enumerate(to_play):
            behind = self.behind and self.behind.facts
            if behind and number < behind["phase"]:
                continue
            if self.stop() and not behind:
                break
            late = clock.seconds() + self._least(phase) > end
            if number and late and not plan.pace and not behind:
                text = f"There was no time left for '{phase.title}'. Give it more seconds."
                yield Notice(text, clock.seconds())
                break
            set_trainable(self.body, phase)
            self.looking.as_it_came &= phase.learns == "head"
            yield Stage("phase", phase.title, clock.seconds())
            parts = self._parts()
            yield PhaseStarted(
                number,
                phase.title,
                parts,
                sum(part["learnable"] for part in parts),
                phase.learning_rate,
                clock.seconds(),
            )
            until = behind["until"] if behind else self._until(end, phase, *to_play[number + 1 :])
            steps = plan.pace.steps[number] if plan.pace else None
            if phase.learns != "head":
                yield from self._fitted(phase, number, view, until, steps, taught)
                continue
            places = torch.cat([learn, held])
            taught = yield from fit_head(
                self.head,
                torch.cat([features, held_features]),
                labels[places],
                self.parts[places],
                number=number,
                clock=clock,
                until_seconds=until,
                stop=self.stop,
                view=view,
                viewed=range(len(learn), len(places)),
                steps=steps and steps[1],
                keep=self._keeping(until),
                again=self._caught_up(),
            )
            self.pace_steps.append((taught.steps, taught.steps, 0))
            self.epochs += taught.steps
            self.checked = taught.checked

    def _looked_at(self, learn: Tensor, held: Tensor, on_features: bool) -> Iterator[Event]:
        """Features of the examples that learn and of those held out, float32 (N, F); the head is
        calibrated on them."""
        plan, data, clock = self.plan, self.data, self.clock
        first = learn if on_features else learn[: self.calibration]
        yield Stage("features", "Looking at every example", clock.seconds())
        most = None if self.known else clock.seconds() + 1.5 * FEATURES_SHARE * plan.seconds
        features = yield from self.looking.features(self.looking.train, first, until_seconds=most)
        if len(features) < len(first):
            self.learn, learn, first = self.learn[: len(features)], *2 * (first[: len(features)],)
            text = f"It goes more slowly than was timed, so {len(features):,} examples must do."
            yield Notice(text, clock.seconds())
        held_features = yield from self.looking.features(self.looking.train, held)
        self.head.calibrate(features)
        if len(held) and not self.behind:
            yield from self._line_without_training(first, features, held_features)
        if plan.approach == "transfer" and data.modality == "images":
            both = torch.cat([features, held_features]), torch.cat([learn, held])
            seen = yield from self._seen_in_mirror(*both)
            features, held_features = seen.tensor_split([len(learn)])
            self.head.calibrate(features)
        return features, held_features

    def _seen_in_mirror(self, features: Tensor, items: Tensor) -> Iterator[Event]:
        """The mean of `features` of the training examples `items` and of those of their mirror
        images, where there is time and cross-validation finds it better; else `features`."""
        pace, parts = self.known, self.parts[items]
        if pace:
            self.mirrored = pace.mirrored
            if not pace.mirrored:
                return features
        each, now = TIME_SAFETY_FACTOR["images"] * self.looking.seconds_each, self.clock.seconds()
        until = now + FLIP_BUDGET_SHARE * self.plan.seconds
        tests = each * len(self.test)
        late = now + each * len(items) > until or until + 2 * tests > self.plan.seconds
        if not pace and (late or (parts < 0).all()):
            return features
        most = None if pace else until
        of_mirrors = yield from self.looking.features(
            self.looking.train, items, until_seconds=most, mirrored=True
        )
        if len(of_mirrors) < len(items):
            return features
        mean = (features + of_mirrors) / 2
        if not pace:
            labels = torch.from_numpy(self.data.train.labels)[items]
            classes = len(self.data.classes)
            plain, seen = (
                cross_val_loss(some, labels, parts, classes) for some in (features, mean)
            )
            self.mirrored = seen < plain
        if not self.mirrored:
            return features
        text = "Each picture counts together with its mirror image: that told the classes apart "
        yield Notice(f"{text}better in cross-validation.", self.clock.seconds(), limits=False)
        return mean

    def _line_without_training(
        self, first: Tensor, known: Tensor, known_held: Tensor
    ) -> Iterator[Event]:
        """What the backbone can do as it came: the line that training has to beat."""
        labels = torch.from_numpy(self.data.train.labels)
        held = torch.from_numpy(self.held)
        if self.plan.approach == "scratch":  # its own body knows nothing yet: the line is another's
            body, train = shared_encoder(self.plan.backbone).to(get_device()), self.looking.train
            known, known_held = (
                torch.cat(list(extract_features(body, train, items))) for items in (first, held)
            )
        # The same few for every approach, so that the line is the same in each of their charts.
        known, first = known[: self.calibration], first[: self.calibration]
        likeness = classify_by_class_mean(known, labels[first], known_held, len(self.data.classes))
        right = (likeness.cpu() == labels[held]).float().mean().item()
        yield Baseline("nearest class mean", right, self.clock.seconds())

    def _fitted(self, phase: Phase, *given: Any) -> Iterator[Event]:
        """`_adjusted`; where the memory is not enough for its batches, once more from its start
        with smaller ones."""
        fewer = phase.batch // BATCH_REDUCTION_FACTOR
        if self.fewer:  # as it was before it was interrupted
            phase = replace(phase, batch=fewer)
        once = self.fewer or self.behind or fewer < 2
        head, kept = deepcopy(self.head.state_dict()), ([*self.pace_steps], self.epochs)
        try:
            yield from self._adjusted(phase, *given)
            self.start = None
            return
        except (MemoryError, RuntimeError) as error:
            if once or not self.start or not is_out_of_memory(error):
                raise
        # Out here: the error held on to what had been computed.
        self.fewer, (self.pace_steps, self.epochs) = True, kept
        self.model.load_state_dict(self.start, strict=False)
        self.head.load_state_dict(head)
        self.model.zero_grad(set_to_none=True)
        free_memory()
        yield Notice(
            f"The memory was not enough to learn from {phase.batch} examples at a time. It begins "
            f"this part again with {fewer} at a time, which takes less memory and learns more "
            "slowly.",
            self.clock.seconds(),
        )
        yield from self._adjusted(replace(phase, batch=fewer), *given)

    def _adjusted(
        self,
        phase: Phase,
        number: int,
        view: LiveMonitor,
        until: float,
        steps: tuple[int, int, int] | None,
        taught: HeadFit | None,
    ) -> Iterator[Event]:
        """The body learns, and the head with it, on the examples that are not held out; then once
        more on all, for as long as was best, where that fits.

        A head that was taught before has seen all: its twin, which has not seen those held out,
        stands in for it while they are looked at."""
        again = self._caught_up()
        if again:
            self.head.load_state_dict(again.of("start"))
        elif taught:
            _scale_logits(self.head, phase.head_sureness)
        clock, start = self.clock, deepcopy(trainable_state_dict(self.model))
        self.start = start
        head = deepcopy(self.head.state_dict())
        if taught and len(self.held):
            self.head.load_state_dict(self.head.state_dict() | taught.twin)
            _scale_logits(self.head, phase.head_sureness)
        playing = {"number": number, "clock": clock, "until_seconds": until}
        playing |= {"stop": self.stop, "view": view}
        if again and "refit" in again.facts:
            yield from self._once_more(phase, start, head, again.facts["refit"], playing, again)
            return
        examples, checks = self._inputs(self.learn), self._inputs(self.held)
        began = again.facts["began"] if again else clock.seconds()
        keep = self._keeping(until, with_prefix("start", head), began=began)
        trained = yield from train(
            self.model, examples, checks, phase, steps=steps, keep=keep, again=again, **playing
        )
        self.pace_steps.append(trained.steps)
        if len(self.held) and not trained.best_step:  # none helped: the head that has seen all
            self.head.load_state_dict(head)
        self.checked = None if self.checks_learn else trained.checked
        self.epochs += trained.steps[1] / -(-len(examples) // phase.batch)
        if self.checks_learn or not len(self.held) or self.stop():
            return
        if self.plan.pace:
            more = self.plan.pace.refit
        else:
            every = len(self.learn) + len(self.held)
            more = round(trained.best_step * math.sqrt(every / len(examples)))
            each = (clock.seconds() - began) / trained.steps[1]
            if trained.steps[1] < trained.steps[0] or clock.seconds() + more * each > until:
                more = 0
        if more:
            yield from self._once_more(phase, start, head, more, playing)

    def _once_more(
        self,
        phase: Phase,
        start: dict[str, Tensor],
        head: dict[str, Tensor],
        steps: int,
        playing: dict[str, Any],
        again: Checkpoint | None = None,
    ) -> Iterator[Event]:
        """The phase from its `start`, with the examples that were held out to learn from as well;
        what was found before stands where this is cut short."""
        clock, until = self.clock, playing["until_seconds"]
        yield Stage("refit", "Once more, with the checks to learn from as well", clock.seconds())
        found, told = (
            again.of("found") if again else deepcopy(trainable_state_dict(self.model)),
            0.0,
        )
        self.model.load_state_dict(start, strict=False)
        kept = with_prefix("start", head) | with_prefix("found", found)
        if self.checked:
            kept |= with_prefix("first", self.checked._asdict())
        once_more = train(
            self.model,
            self._inputs(np.concatenate([self.learn, self.held])),
            self._inputs([]),
            phase,
            planned=steps,
            steps=(steps, steps, 0) if self.plan.pace else None,
            keep=self._keeping(until, kept, refit=steps),
            again=again,
            **playing,
        )
        for event in once_more:
            if isinstance(event, Step) and (event.seconds > told + 0.2 or event.step == steps):
                told = event.seconds
                yield Progress(event.step, steps, told)
            elif isinstance(event, PhaseDone) and event.steps == steps:
                self.refit_steps = steps
            elif isinstance(event, Notice):
                yield event
        if not self.refit_steps:  # cut short: what was found before is whole
            self.model.load_state_dict(found, strict=False)

    def _keeping(
        self, until: float, tensors: Mapping[str, Tensor] | None = None, **facts: Any
    ) -> checkpoint.Saver:
        """What keeps where a phase stands, with all that the phases before it have left."""

        def whole(inner: Callable[[], Checkpoint]) -> Checkpoint:
            found, known = inner()
            known |= facts | {"until": until, "pace_steps": self.pace_steps, "epochs": self.epochs}
            known |= {"pace": asdict(self._pace()), "fewer": self.fewer}
            found |= (tensors or {}) | with_prefix("view", self.view.axes())
            return Checkpoint(found, known)

        return lambda inner: self.keeper.keep(lambda: whole(inner), self.clock.seconds())

    def _caught_up(self) -> Checkpoint | None:
        """Where the interrupted run stood, for the phase that goes on: from here on all is told."""
        behind, self.behind = self.behind, None
        if behind:
            self.pace_steps = [tuple(steps) for steps in behind.facts["pace_steps"]]
            self.epochs = behind.facts["epochs"]
            if first := behind.of("first"):
                self.checked = ValidationOutputs(
                    **{k: v.to(get_device()) for k, v in first.items()}
                )
            self.view.go_on(behind.of("view"))
            self.clock.go_on()
        return behind

    def _pace(self) -> RecordedSchedule:
        """What the clock has decided so far."""
        return RecordedSchedule(
            train=len(self.learn),
            validation=len(self.held),
            test=len(self.test),
            steps=tuple(self.pace_steps),
            refit=self.refit_steps,
            calibration=self.calibration,
            mirrored=self.mirrored,
        )

    def _calibrated(self) -> Iterator[Event]:
        """How sure the model may be, by what it had not learned from when it answered."""
        if not self.checked or not self.checks:
            return
        some = calibration.evenly_spaced_indices(len(self.checked.labels))
        scores, labels = (part.cpu().numpy()[some] for part in self.checked)
        self.temperature = calibration.fit_temperature(scores, labels)
        sure = calibration.compute_confidence(scores, self.temperature).round(4).tolist()
        right = (scores.argmax(1) == labels).tolist()
        yield CalibrationDone(self.temperature, sure, right, self.clock.seconds())

    def _until(self, end: float, phase: Phase, *then: Phase) -> float:
        """Seconds on the clock at which `phase` ends at the latest: its share of what is left, or
        all of it where those after it would find no time."""
        now = self.clock.seconds()
        shared = now + phase.share * (end - now)
        return end if then and shared + self._least(then[0]) > end else shared

    def _least(self, phase: Phase) -> float:
        """Seconds that a phase on the network takes at the least: a step, and a look before and
        after it."""
        return (FORWARDS_PER_STEP * phase.batch + 2 * len(self.held)) * self.looking.seconds_each

    def _inputs(self, items: np.ndarray | Sequence[int]) -> Examples:
        items = torch.as_tensor(items, dtype=torch.int64)
        labels = torch.from_numpy(self.data.train.labels)
        return Examples(SubsetInputs(self.looking.train, items), labels[items])

    def _what_learns(self) -> str:
        if self.plan.what_learns != "auto":
            return self.plan.what_learns
        return backbones.pick(self.plan.backbone).learns

    def _parts(self) -> list[dict]:
        named = [*self.body.named_parts(), ("new last layer", self.head)]
        return [
            {
                "name": name,
                "parameters": sum(p.numel() for p in part.parameters()),
                "learnable": sum(p.numel() for p in part.parameters() if p.requires_grad),
            }
            for name, part in named
        ]

    def _forecast(self) -> dict[str, Any]:
        """What the run will take, as `Started` tells it."""
        plan, numbers = self.plan, sum(p.numel() for p in self.body.parameters())
        looking, what_learns = self.looking, self._what_learns()
        ahead = estimate.RunSize(
            approach=plan.approach,
            phases=build_phases(plan.approach, self.data.modality, what_learns),
            learn=len(self.learn),
            held=len(self.held),
            test=len(self.test),
            calibration=self.calibration,
            features=self.body.features,
            classes=len(self.data.classes),
            forward_seconds=looking.seconds_each,
            spent=self.clock.seconds(),
            budget=plan.seconds,
            pace=plan.pace,
            parameters=numbers,
            lora=estimate.count_lora_parameters(self.body, LORA_RANK),
            footprint=looking.footprint.of(estimate.max_tokens(looking.train, looking.test)),
            mirror=plan.approach == "transfer" and self.data.modality == "images",
            waiting=estimate.estimate_pending_bytes(looking.train, len(self.learn) + len(self.held))
            + estimate.estimate_pending_bytes(looking.test, len(self.test)),
            at_once=max(map(estimate.eval_batch_size, (looking.train, looking.test))),
        )
        peak = estimate.estimate_peak_bytes(ahead, estimate.measure_used_bytes())
        return {
            "predicted_seconds": estimate.estimate_seconds(ahead),
            "predicted_memory_bytes": max(peak, self.memory.now()),
        }

    def _without_training(self) -> Iterator[Event]:
        """Answers to the test: nearest class mean, or nearest class name where no example is."""
        data, looking, clock = self.data, self.looking, self.clock
        yield Stage("features", "Looking at every example", clock.seconds())
        tested = yield from looking.features(looking.test, self.test)
        if data.described:
            names = self.body.prepare(data.described)
            meant = yield from looking.features(names, np.arange(len(names)))
            by_name = assign_nearest(meant, tested)
            right = (by_name.cpu().numpy() == data.test.labels[self.test]).mean()
            yield Baseline("class names alone (zero-shot)", float(right), clock.seconds())
            if not len(self.learn):
                set_prototype_head(self.head, meant)
                return by_name
        features = yield from looking.features(looking.train, self.learn)
        labels = torch.from_numpy(data.train.labels[self.learn])
        means, centre = compute_class_means(features, labels, len(data.classes)), features.mean(0)
        set_prototype_head(self.head, means, centre)
        return assign_nearest(means, tested, centre)

    def _tested(
        self, answers: Tensor, sureness: Tensor | None = None, scores: Tensor | None = None
    ) -> Iterator[Event]:
        plan, data = self.plan, self.data
        calibrated = []
        if self.temperature:
            calibrated = calibration.compute_confidence(scores.cpu().numpy(), self.temperature)
            calibrated = calibrated.round(3).tolist()
        labels = data.test.labels[self.test]
        result = score(labels, answers.cpu().numpy(), len(data.classes))
        yield PredictionsRecorded(
            labels.tolist(),
            answers.tolist(),
            [] if sureness is None else [round(sure, 3) for sure in sureness.tolist()],
            self.clock.seconds(),
            calibrated,
        )
        learnable = sum(part["learnable"] for part in self._parts())
        if plan.approach == "none":
            learnable = 0
        finished = RunFinished(
            approach=plan.approach,
            data=plan.data,
            backbone=plan.backbone,
            classes=list(data.classes),
            train_examples=len(np.union1d(self.learn, self.held)),
            test_examples=len(self.test),
            test_right=result.right,
            test_accuracy=result.accuracy,
            test_accuracy_low=result.low,
            test_accuracy_high=result.high,
            macro_f1=result.macro_f1,
            confusion=result.confusion,
            seconds=self.clock.seconds(),
            learnable_parameters=learnable,
            parameters=sum(p.numel() for p in self.model.parameters()),
            epochs=self.epochs,
            stopped=self.stopped,
            repeat=replace(plan, pace=self._pace()).as_json(),
            peak_memory_bytes=self.memory.now(),
            stored_bytes=0 if plan.approach == "none" else count_stored_bytes(self.model),
        )
        if plan.approach != "none":
            before = None if plan.approach == "scratch" else shared_encoder(plan.backbone)
            yield WeightsCompared(
                relative_weight_change(self.body, before, self._parts()), finished.seconds
            )
        if self.folder:
            try:
                save_weights(self.model, self.folder)
            except OSError as error:  # the score is there: it must not be lost with the weights
                text = f"The trained model could not be kept on disk ({error.strerror})."
                yield Notice(text, finished.seconds)
        yield finished


def _scale_logits(head: Head, sureness: float) -> None:
    """The same answers, less surely given."""
    with torch.no_grad():
        head.linear.weight.mul_(sureness)
        head.linear.bias.mul_(sureness)


def saved_state_dict(model: Model) -> dict[str, Tensor]:
    """What a run leaves of its model: all that is not as the backbone came."""
    return trainable_state_dict(model) | {
        f"head.{name}": v for name, v in model.head.state_dict().items()
    }


def count_stored_bytes(model: Model) -> int:
    return sum(value.numel() * value.element_size() for value in saved_state_dict(model).values())


def save_weights(model: Model, folder: Path) -> None:
    """Leaves what was learned in `folder`, whole or not at all: a cut cannot leave half a file."""
    checkpoint.write_tensors(saved_state_dict(model), folder / "model.safetensors")
