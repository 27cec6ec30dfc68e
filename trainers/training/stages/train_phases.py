"""The middle stage: the phases of an approach, one after another, within the budget."""

from collections.abc import Iterator

from trainers.events import Event, Notice, PhaseStarted, Stage
from trainers.training.model import set_trainable
from trainers.training.monitor import LiveMonitor
from trainers.training.recipes import Phase
from trainers.training.session import TIME_SAFETY_FACTOR, Session
from trainers.training.stages.head_phase import extract_head_data, train_head
from trainers.training.stages.network_phase import train_network

RESERVED_BUDGET_SHARE = 0.02  # for everything that is not timed
MAX_TEST_BUDGET_SHARE = 0.2  # a longer test comes on top of the budget, and the run says so


def train_phases(session: Session) -> Iterator[Event]:
    """Train each phase of the plan, or as many as the time allows."""
    plan, phases = session.plan, session.resolved.phases
    if plan.schedule:
        phases = phases[: len(plan.schedule.steps)]  # fewer if the run was stopped early
    labels = session.train_labels(session.validation_items)
    session.monitor = LiveMonitor(labels)
    train = session.data.train
    yield session.monitor.watch(train.inputs, session.validation_items, train.labels)
    saved = session.resume_checkpoint and session.resume_checkpoint.metadata
    head_data = fold_head = None
    if not saved or phases[saved["phase"]].trainable == "head":
        with_head = any(phase.trainable == "head" for phase in phases)
        head_data = yield from extract_head_data(session, with_head)
    end = plan.seconds - reserve_seconds(session)
    for number, phase in enumerate(phases):
        saved = session.resume_checkpoint and session.resume_checkpoint.metadata
        if saved and number < saved["phase"]:
            continue
        if session.should_stop() and not saved:
            break
        is_late = session.seconds + session.min_phase_seconds(phase) > end
        if number and is_late and not plan.schedule and not saved:
            text = f"There was no time left for '{phase.title}'. Give it more seconds."
            yield Notice(text, session.seconds)
            break
        set_trainable(session.encoder, phase)
        session.extractor.is_pretrained &= phase.trainable == "head"
        yield Stage("phase", phase.title, session.seconds)
        yield describe_phase(session, number, phase)
        deadline = saved["until"] if saved else phase_deadline(session, end, phases[number:])
        if phase.trainable == "head":
            fold_head = yield from train_head(session, number, deadline, head_data)
        else:
            yield from train_network(session, phase, number, deadline, fold_head)


def reserve_seconds(session: Session) -> float:
    """Return the seconds of the budget to keep for the last evaluation and the test."""
    each = TIME_SAFETY_FACTOR[session.data.modality] * session.extractor.seconds_per_example
    test = each * (1 + session.use_flipped) * len(session.test_items)
    test = min(test, MAX_TEST_BUDGET_SHARE * session.plan.seconds)
    evaluation = each * len(session.validation_items)
    return test + evaluation + RESERVED_BUDGET_SHARE * session.plan.seconds


def phase_deadline(session: Session, end: float, phases: tuple[Phase, ...]) -> float:
    """Return the seconds on the clock at which the first of `phases` ends at the latest.

    Its share of what is left until `end`, or all of it if the next would find no time.
    """
    now = session.seconds
    deadline = now + phases[0].budget_share * (end - now)
    if len(phases) > 1 and deadline + session.min_phase_seconds(phases[1]) > end:
        return end
    return deadline


def describe_phase(session: Session, number: int, phase: Phase) -> PhaseStarted:
    blocks = session.describe_blocks()
    learnable = sum(block["learnable"] for block in blocks)
    return PhaseStarted(
        number, phase.title, blocks, learnable, phase.learning_rate, session.seconds
    )
