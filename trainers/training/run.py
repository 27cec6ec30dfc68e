"""A plan, executed: `run(plan)` is the whole back end, a stream of events."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
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
from trainers.system.checkpoint_file import CHECKPOINT_FILE
from trainers.system.errors import is_out_of_memory
from trainers.training import baselines, checkpoint, estimate
from trainers.training.checkpoint import Checkpoint, with_prefix
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
    should_stop: Callable[[], bool] = never_stop,
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
        row.check_downloaded()
    torch.manual_seed(plan.seed)
    data = data or datasets.get_dataset(plan.data).load_splits(
        plan.examples_per_class, plan.seed, plan.fixes
    )
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
            should_stop,
            folder,
            shared or ComputationCache(),
            memory,
            checks,
            disk,
        )
        whole.resume_from(behind)
        try:
            yield from whole.events()
        except DivergenceError:  # what was kept leads there again
            if folder:
                (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
            raise


def check_data(data: DatasetSplits, plan: Plan) -> None:
    """Raises `BadData` where a score would mean nothing."""
    present = len(np.unique(data.train.labels))
    if plan.approach == "none" and data.class_descriptions and plan.examples_per_class == 0:
        return
    if present < 2:
        raise BadData(
            f"{plan.data} has training examples of {present} class. To tell things apart a model "
            "needs at least two: add examples of another class."
        )


def describe_shortage(data: DatasetSplits, plan: Plan) -> list[str]:
    """What to say where there are fewer examples than the plan asks for."""
    fewest = min(np.bincount(data.train.labels), default=0)
    if not plan.examples_per_class or fewest >= plan.examples_per_class:
        return []
    return [
        f"{plan.examples_per_class:,} examples of each class were asked for; one "
        f"class has only {fewest:,}."
    ]


def describe_excluded(plan: Plan) -> list[str]:
    """What to say of examples that a mend leaves out."""
    if not plan.fixes:
        return []
    rows = datasets.get_dataset(plan.data).excluded_rows(plan.fixes)
    told = ", ".join(
        f"{len(some):,} {data_checks.CHECKS[key].fix_name}" for key, some in rows.items()
    )
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
    body.requires_grad_(phase.trainable == "all")
    if phase.trainable == "lora":
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
        should_stop: Callable[[], bool],
        folder: Path | None,
        shared: ComputationCache,
        memory: PeakMemory,
        checks: bool,
        disk: feature_cache.FeatureCache | None,
    ) -> None:
        self.disk_cache = disk
        self.plan, self.data, self.encoder = plan, data, body
        self.setup_seconds, self.should_stop, self.folder = setup_seconds, should_stop, folder
        self.cache, self.peak_memory, self.use_validation = shared, memory, checks
        self.clock = Clock(plan.seconds)
        self.notices = list(remarks)
        self.schedule_steps: list[tuple[int, int, int]] = []
        self.epochs = 0.0
        self.refit_steps = 0
        self.validation_outputs: ValidationOutputs | None = None
        self.temperature: float | None = None
        self.was_stopped = self.use_flipped = self.use_small_batches = False
        self.validates_on_train = False  # the checks are examples that are learned from
        self.checkpoint_writer = checkpoint.CheckpointWriter(folder)
        self.resume_checkpoint: Checkpoint | None = (
            None  # where an interrupted run stood, until caught up with
        )
        self.phase_start_weights: dict[str, Tensor] | None = (
            None  # of the phase on the network that is played
        )
        self.recorded_schedule = plan.schedule  # how many examples, where no clock is to say
        self.encoder.requires_grad_(False)  # until a phase says otherwise

    def resume_from(self, behind: Checkpoint | None) -> None:
        if behind:
            self.resume_checkpoint, self.recorded_schedule = (
                behind,
                RecordedSchedule.from_json(behind.metadata["pace"]),
            )
            self.use_small_batches = behind.metadata.get("fewer", False)
            self.clock.pause_at(behind.metadata["seconds"])

    def events(self) -> Iterator[Event]:
        """What happens; of what an interrupted run has told already, what is done again."""
        for event in self._events():
            if not self.resume_checkpoint or isinstance(event, Stage | Progress):
                yield event

    def _events(self) -> Iterator[Event]:
        plan, data, clock = self.plan, self.data, self.clock
        self.folds = assign_folds(data.train.labels)
        learn, held = split_validation(self.folds)
        if plan.approach == "none" or not self.use_validation:
            learn, held = np.arange(len(data.train.labels)), np.array([], dtype=np.int64)
        elif not len(held):
            held, self.validates_on_train = learn, True
            self.notices.append(
                "There is one example of each class, so none could be held out: progress is "
                "measured on the very examples that are learned, and says little."
            )
        self.extractor = looking = FeatureExtractor(
            plan, data, self.encoder, clock, self.cache, self.disk_cache
        )
        limits = looking.subsample_to_budget(learn, held, self.recorded_schedule)
        self.train_items, self.validation_items, self.test_items = learn, held, test = limits[:3]
        self.scaling_examples = limits.scaling_examples
        if limits.dropped:
            self.notices.append(
                f"{plan.seconds:g} seconds are too short to look at all examples. A fixed choice "
                f"is used: {', '.join(limits.dropped)}."
            )
        self.head = Head(self.encoder.width, len(data.classes)).to(get_device())
        self.model = Model(self.encoder, self.head)
        yield RunStarted(
            approach=plan.approach,
            data=plan.data,
            backbone=plan.backbone,
            modality=data.modality,
            classes=list(data.classes),
            train_examples=len(learn),
            validation_examples=0 if self.validates_on_train else len(held),
            test_examples=len(test),
            parameters=sum(p.numel() for p in self.model.parameters()),
            budget_seconds=plan.seconds,
            setup_seconds=self.setup_seconds,
            device=get_device().type,
            **self._estimate_cost(),
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
            answers = yield from self._predict_without_training()
            yield from self._report_test(answers)
            return
        yield from self._train_phases()
        yield from self._calibrate()
        self.was_stopped = self.should_stop()
        yield Stage("test", "Testing on examples never used so far", clock.seconds())
        features = yield from self.extractor.extract(self.extractor.test_inputs, test)
        if self.use_flipped:
            of_mirrors = yield from self.extractor.extract(
                self.extractor.test_inputs, test, mirrored=True
            )
            features = (features + of_mirrors) / 2
        self.head.eval()
        with torch.inference_mode():
            scores = self.head(features)
            sureness, answers = scores.softmax(1).max(1)
        yield from self._report_test(answers, sureness, scores)

    def _train_phases(self) -> Iterator[Event]:
        plan, data, clock = self.plan, self.data, self.clock
        labels = torch.from_numpy(data.train.labels)
        learn, held = torch.from_numpy(self.train_items), torch.from_numpy(self.validation_items)
        to_play = build_phases(plan.approach, data.modality, self._resolve_trainable())
        if plan.schedule:
            to_play = to_play[: len(plan.schedule.steps)]  # fewer where the run was stopped early
        on_features = any(phase.trainable == "head" for phase in to_play)
        self.monitor = view = LiveMonitor(labels[held])
        yield view.watch(data.train.inputs, self.validation_items, data.train.labels)
        if (
            not self.resume_checkpoint
            or to_play[self.resume_checkpoint.metadata["phase"]].trainable == "head"
        ):
            features, held_features = yield from self._extract_features(learn, held, on_features)
            learn = torch.from_numpy(self.train_items)

        looks_left = (1 + self.use_flipped) * len(self.test_items) + len(self.validation_items)
        each = TIME_SAFETY_FACTOR[data.modality] * self.extractor.seconds_per_example
        reserve = each * looks_left + 0.02 * plan.seconds
        end = plan.seconds - reserve
        taught = None
        for number, phase in enumerate(to_play):
            behind = self.resume_checkpoint and self.resume_checkpoint.metadata
            if behind and number < behind["phase"]:
                continue
            if self.should_stop() and not behind:
                break
            late = clock.seconds() + self._min_phase_seconds(phase) > end
            if number and late and not plan.schedule and not behind:
                text = f"There was no time left for '{phase.title}'. Give it more seconds."
                yield Notice(text, clock.seconds())
                break
            set_trainable(self.encoder, phase)
            self.extractor.is_pretrained &= phase.trainable == "head"
            yield Stage("phase", phase.title, clock.seconds())
            parts = self._describe_blocks()
            yield PhaseStarted(
                number,
                phase.title,
                parts,
                sum(part["learnable"] for part in parts),
                phase.learning_rate,
                clock.seconds(),
            )
            until = (
                behind["until"]
                if behind
                else self._phase_deadline(end, phase, *to_play[number + 1 :])
            )
            steps = plan.schedule.steps[number] if plan.schedule else None
            if phase.trainable != "head":
                yield from self._train_with_retry(phase, number, view, until, steps, taught)
                continue
            places = torch.cat([learn, held])
            taught = yield from fit_head(
                self.head,
                torch.cat([features, held_features]),
                labels[places],
                self.folds[places],
                number=number,
                clock=clock,
                until_seconds=until,
                should_stop=self.should_stop,
                view=view,
                viewed=range(len(learn), len(places)),
                steps=steps and steps[1],
                keep=self._make_saver(until),
                again=self._resume_phase(),
            )
            self.schedule_steps.append((taught.steps, taught.steps, 0))
            self.epochs += taught.steps
            self.validation_outputs = taught.validation_outputs

    def _extract_features(self, learn: Tensor, held: Tensor, on_features: bool) -> Iterator[Event]:
        """Features of the examples that learn and of those held out, float32 (N, F); the head is
        calibrated on them."""
        plan, data, clock = self.plan, self.data, self.clock
        first = learn if on_features else learn[: self.scaling_examples]
        yield Stage("features", "Looking at every example", clock.seconds())
        most = (
            None
            if self.recorded_schedule
            else clock.seconds() + 1.5 * FEATURES_SHARE * plan.seconds
        )
        features = yield from self.extractor.extract(
            self.extractor.train_inputs, first, until_seconds=most
        )
        if len(features) < len(first):
            self.train_items, learn, first = (
                self.train_items[: len(features)],
                *2 * (first[: len(features)],),
            )
            text = f"It goes more slowly than was timed, so {len(features):,} examples must do."
            yield Notice(text, clock.seconds())
        held_features = yield from self.extractor.extract(self.extractor.train_inputs, held)
        self.head.fit_scaling(features)
        if len(held) and not self.resume_checkpoint:
            yield from self._measure_baseline(first, features, held_features)
        if plan.approach == "transfer" and data.modality == "images":
            both = torch.cat([features, held_features]), torch.cat([learn, held])
            seen = yield from self._average_flipped(*both)
            features, held_features = seen.tensor_split([len(learn)])
            self.head.fit_scaling(features)
        return features, held_features

    def _average_flipped(self, features: Tensor, items: Tensor) -> Iterator[Event]:
        """The mean of `features` of the training examples `items` and of those of their mirror
        images, where there is time and cross-validation finds it better; else `features`."""
        pace, parts = self.recorded_schedule, self.folds[items]
        if pace:
            self.use_flipped = pace.horizontal_flip
            if not pace.horizontal_flip:
                return features
        each, now = (
            TIME_SAFETY_FACTOR["images"] * self.extractor.seconds_per_example,
            self.clock.seconds(),
        )
        until = now + FLIP_BUDGET_SHARE * self.plan.seconds
        tests = each * len(self.test_items)
        late = now + each * len(items) > until or until + 2 * tests > self.plan.seconds
        if not pace and (late or (parts < 0).all()):
            return features
        most = None if pace else until
        of_mirrors = yield from self.extractor.extract(
            self.extractor.train_inputs, items, until_seconds=most, mirrored=True
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
            self.use_flipped = seen < plain
        if not self.use_flipped:
            return features
        text = "Each picture counts together with its mirror image: that told the classes apart "
        yield Notice(
            f"{text}better in cross-validation.", self.clock.seconds(), is_limitation=False
        )
        return mean

    def _measure_baseline(
        self, first: Tensor, known: Tensor, known_held: Tensor
    ) -> Iterator[Event]:
        """What the backbone can do as it came: the line that training has to beat."""
        labels = torch.from_numpy(self.data.train.labels)
        held = torch.from_numpy(self.validation_items)
        if self.plan.approach == "scratch":  # its own body knows nothing yet: the line is another's
            body, train = (
                shared_encoder(self.plan.backbone).to(get_device()),
                self.extractor.train_inputs,
            )
            known, known_held = (
                torch.cat(list(extract_features(body, train, items))) for items in (first, held)
            )
        # The same few for every approach, so that the line is the same in each of their charts.
        known, first = known[: self.scaling_examples], first[: self.scaling_examples]
        likeness = classify_by_class_mean(known, labels[first], known_held, len(self.data.classes))
        right = (likeness.cpu() == labels[held]).float().mean().item()
        yield Baseline("nearest class mean", right, self.clock.seconds())

    def _train_with_retry(self, phase: Phase, *given: Any) -> Iterator[Event]:
        """`_adjusted`; where the memory is not enough for its batches, once more from its start
        with smaller ones."""
        fewer = phase.batch_size // BATCH_REDUCTION_FACTOR
        if self.use_small_batches:  # as it was before it was interrupted
            phase = replace(phase, batch_size=fewer)
        once = self.use_small_batches or self.resume_checkpoint or fewer < 2
        head, kept = deepcopy(self.head.state_dict()), ([*self.schedule_steps], self.epochs)
        try:
            yield from self._train_phase(phase, *given)
            self.phase_start_weights = None
            return
        except (MemoryError, RuntimeError) as error:
            if once or not self.phase_start_weights or not is_out_of_memory(error):
                raise
        # Out here: the error held on to what had been computed.
        self.use_small_batches, (self.schedule_steps, self.epochs) = True, kept
        self.model.load_state_dict(self.phase_start_weights, strict=False)
        self.head.load_state_dict(head)
        self.model.zero_grad(set_to_none=True)
        free_memory()
        yield Notice(
            f"The memory was not enough to learn from {phase.batch_size} examples at "
            "a time. It begins "
            f"this part again with {fewer} at a time, which takes less memory and learns more "
            "slowly.",
            self.clock.seconds(),
        )
        yield from self._train_phase(replace(phase, batch_size=fewer), *given)

    def _train_phase(
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
        again = self._resume_phase()
        if again:
            self.head.load_state_dict(again.section("start"))
        elif taught:
            _scale_logits(self.head, phase.head_logit_scale)
        clock, start = self.clock, deepcopy(trainable_state_dict(self.model))
        self.phase_start_weights = start
        head = deepcopy(self.head.state_dict())
        if taught and len(self.validation_items):
            self.head.load_state_dict(self.head.state_dict() | taught.fold_head)
            _scale_logits(self.head, phase.head_logit_scale)
        playing = {"number": number, "clock": clock, "until_seconds": until}
        playing |= {"should_stop": self.should_stop, "view": view}
        if again and "refit" in again.metadata:
            yield from self._refit(phase, start, head, again.metadata["refit"], playing, again)
            return
        examples, checks = (
            self._select_examples(self.train_items),
            self._select_examples(self.validation_items),
        )
        began = again.metadata["began"] if again else clock.seconds()
        keep = self._make_saver(until, with_prefix("start", head), began=began)
        trained = yield from train(
            self.model, examples, checks, phase, steps=steps, keep=keep, again=again, **playing
        )
        self.schedule_steps.append(trained.steps)
        if (
            len(self.validation_items) and not trained.best_step
        ):  # none helped: the head that has seen all
            self.head.load_state_dict(head)
        self.validation_outputs = None if self.validates_on_train else trained.validation_outputs
        self.epochs += trained.steps[1] / -(-len(examples) // phase.batch_size)
        if self.validates_on_train or not len(self.validation_items) or self.should_stop():
            return
        if self.plan.schedule:
            more = self.plan.schedule.refit_steps
        else:
            every = len(self.train_items) + len(self.validation_items)
            more = round(trained.best_step * math.sqrt(every / len(examples)))
            each = (clock.seconds() - began) / trained.steps[1]
            if trained.steps[1] < trained.steps[0] or clock.seconds() + more * each > until:
                more = 0
        if more:
            yield from self._refit(phase, start, head, more, playing)

    def _refit(
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
            again.section("found") if again else deepcopy(trainable_state_dict(self.model)),
            0.0,
        )
        self.model.load_state_dict(start, strict=False)
        kept = with_prefix("start", head) | with_prefix("found", found)
        if self.validation_outputs:
            kept |= with_prefix("first", self.validation_outputs._asdict())
        once_more = train(
            self.model,
            self._select_examples(np.concatenate([self.train_items, self.validation_items])),
            self._select_examples([]),
            phase,
            planned=steps,
            steps=(steps, steps, 0) if self.plan.schedule else None,
            keep=self._make_saver(until, kept, refit=steps),
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

    def _make_saver(
        self, until: float, tensors: Mapping[str, Tensor] | None = None, **facts: Any
    ) -> checkpoint.Saver:
        """What keeps where a phase stands, with all that the phases before it have left."""

        def whole(inner: Callable[[], Checkpoint]) -> Checkpoint:
            found, known = inner()
            known |= facts | {
                "until": until,
                "pace_steps": self.schedule_steps,
                "epochs": self.epochs,
            }
            known |= {"pace": self._record_schedule().as_json(), "fewer": self.use_small_batches}
            found |= (tensors or {}) | with_prefix("view", self.monitor.axes())
            return Checkpoint(found, known)

        return lambda inner: self.checkpoint_writer.save(lambda: whole(inner), self.clock.seconds())

    def _resume_phase(self) -> Checkpoint | None:
        """Where the interrupted run stood, for the phase that goes on: from here on all is told."""
        behind, self.resume_checkpoint = self.resume_checkpoint, None
        if behind:
            self.schedule_steps = [tuple(steps) for steps in behind.metadata["pace_steps"]]
            self.epochs = behind.metadata["epochs"]
            if first := behind.section("first"):
                self.validation_outputs = ValidationOutputs(
                    **{k: v.to(get_device()) for k, v in first.items()}
                )
            self.monitor.restore(behind.section("view"))
            self.clock.resume()
        return behind

    def _record_schedule(self) -> RecordedSchedule:
        """What the clock has decided so far."""
        return RecordedSchedule(
            train_examples=len(self.train_items),
            validation_examples=len(self.validation_items),
            test_examples=len(self.test_items),
            steps=tuple(self.schedule_steps),
            refit_steps=self.refit_steps,
            calibration_examples=self.scaling_examples,
            horizontal_flip=self.use_flipped,
        )

    def _calibrate(self) -> Iterator[Event]:
        """How sure the model may be, by what it had not learned from when it answered."""
        if not self.validation_outputs or not self.use_validation:
            return
        some = calibration.evenly_spaced_indices(len(self.validation_outputs.labels))
        scores, labels = (part.cpu().numpy()[some] for part in self.validation_outputs)
        self.temperature = calibration.fit_temperature(scores, labels)
        sure = calibration.compute_confidence(scores, self.temperature).round(4).tolist()
        right = (scores.argmax(1) == labels).tolist()
        yield CalibrationDone(self.temperature, sure, right, self.clock.seconds())

    def _phase_deadline(self, end: float, phase: Phase, *then: Phase) -> float:
        """Seconds on the clock at which `phase` ends at the latest: its share of what is left, or
        all of it where those after it would find no time."""
        now = self.clock.seconds()
        shared = now + phase.budget_share * (end - now)
        return end if then and shared + self._min_phase_seconds(then[0]) > end else shared

    def _min_phase_seconds(self, phase: Phase) -> float:
        """Seconds that a phase on the network takes at the least: a step, and a look before and
        after it."""
        return (
            FORWARDS_PER_STEP * phase.batch_size + 2 * len(self.validation_items)
        ) * self.extractor.seconds_per_example

    def _select_examples(self, items: np.ndarray | Sequence[int]) -> Examples:
        items = torch.as_tensor(items, dtype=torch.int64)
        labels = torch.from_numpy(self.data.train.labels)
        return Examples(SubsetInputs(self.extractor.train_inputs, items), labels[items])

    def _resolve_trainable(self) -> str:
        if self.plan.trainable != "auto":
            return self.plan.trainable
        return backbones.pick(self.plan.backbone).trainable

    def _describe_blocks(self) -> list[dict]:
        named = [*self.encoder.named_blocks(), ("new last layer", self.head)]
        return [
            {
                "name": name,
                "parameters": sum(p.numel() for p in part.parameters()),
                "learnable": sum(p.numel() for p in part.parameters() if p.requires_grad),
            }
            for name, part in named
        ]

    def _estimate_cost(self) -> dict[str, Any]:
        """What the run will take, as `Started` tells it."""
        plan, numbers = self.plan, sum(p.numel() for p in self.encoder.parameters())
        looking, what_learns = self.extractor, self._resolve_trainable()
        ahead = estimate.RunSize(
            approach=plan.approach,
            phases=build_phases(plan.approach, self.data.modality, what_learns),
            train_examples=len(self.train_items),
            validation_examples=len(self.validation_items),
            test_examples=len(self.test_items),
            scaling_examples=self.scaling_examples,
            width=self.encoder.width,
            classes=len(self.data.classes),
            forward_seconds=looking.seconds_per_example,
            elapsed_seconds=self.clock.seconds(),
            budget_seconds=plan.seconds,
            schedule=plan.schedule,
            parameters=numbers,
            lora_parameters=estimate.count_lora_parameters(self.encoder, LORA_RANK),
            activation_memory=looking.activation_memory.scaled_to(
                estimate.max_tokens(looking.train_inputs, looking.test_inputs)
            ),
            use_flipped=plan.approach == "transfer" and self.data.modality == "images",
            pending_bytes=estimate.estimate_pending_bytes(
                looking.train_inputs, len(self.train_items) + len(self.validation_items)
            )
            + estimate.estimate_pending_bytes(looking.test_inputs, len(self.test_items)),
            eval_batch_size=max(
                map(estimate.eval_batch_size, (looking.train_inputs, looking.test_inputs))
            ),
        )
        peak = estimate.estimate_peak_bytes(ahead, estimate.measure_used_bytes())
        return {
            "estimated_seconds": estimate.estimate_seconds(ahead),
            "estimated_memory_bytes": max(peak, self.peak_memory.bytes_so_far()),
        }

    def _predict_without_training(self) -> Iterator[Event]:
        """Answers to the test: nearest class mean, or nearest class name where no example is."""
        data, looking, clock = self.data, self.extractor, self.clock
        yield Stage("features", "Looking at every example", clock.seconds())
        tested = yield from looking.extract(looking.test_inputs, self.test_items)
        if data.class_descriptions:
            names = self.encoder.prepare(data.class_descriptions)
            meant = yield from looking.extract(names, np.arange(len(names)))
            by_name = assign_nearest(meant, tested)
            right = (by_name.cpu().numpy() == data.test.labels[self.test_items]).mean()
            yield Baseline("class names alone (zero-shot)", float(right), clock.seconds())
            if not len(self.train_items):
                set_prototype_head(self.head, meant)
                return by_name
        features = yield from looking.extract(looking.train_inputs, self.train_items)
        labels = torch.from_numpy(data.train.labels[self.train_items])
        means, centre = compute_class_means(features, labels, len(data.classes)), features.mean(0)
        set_prototype_head(self.head, means, centre)
        return assign_nearest(means, tested, centre)

    def _report_test(
        self, answers: Tensor, sureness: Tensor | None = None, scores: Tensor | None = None
    ) -> Iterator[Event]:
        plan, data = self.plan, self.data
        calibrated = []
        if self.temperature:
            calibrated = calibration.compute_confidence(scores.cpu().numpy(), self.temperature)
            calibrated = calibrated.round(3).tolist()
        labels = data.test.labels[self.test_items]
        result = score(labels, answers.cpu().numpy(), len(data.classes))
        yield PredictionsRecorded(
            labels.tolist(),
            answers.tolist(),
            [] if sureness is None else [round(sure, 3) for sure in sureness.tolist()],
            self.clock.seconds(),
            calibrated,
        )
        learnable = sum(part["learnable"] for part in self._describe_blocks())
        if plan.approach == "none":
            learnable = 0
        finished = RunFinished(
            approach=plan.approach,
            data=plan.data,
            backbone=plan.backbone,
            classes=list(data.classes),
            train_examples=len(np.union1d(self.train_items, self.validation_items)),
            test_examples=len(self.test_items),
            test_correct=result.right,
            test_accuracy=result.accuracy,
            test_accuracy_low=result.low,
            test_accuracy_high=result.high,
            macro_f1=result.macro_f1,
            confusion_matrix=result.confusion,
            seconds=self.clock.seconds(),
            trainable_parameters=learnable,
            parameters=sum(p.numel() for p in self.model.parameters()),
            epochs=self.epochs,
            stopped_by_user=self.was_stopped,
            repeat_plan=replace(plan, schedule=self._record_schedule()).as_json(),
            peak_memory_bytes=self.peak_memory.bytes_so_far(),
            stored_bytes=0 if plan.approach == "none" else count_stored_bytes(self.model),
        )
        if plan.approach != "none":
            before = None if plan.approach == "scratch" else shared_encoder(plan.backbone)
            yield WeightsCompared(
                relative_weight_change(self.encoder, before, self._describe_blocks()),
                finished.seconds,
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
