"""A plan on the digits, and the event with which such a run finishes."""

from trainers.events import RunFinished
from trainers.plan import Plan

PLAN = Plan(data="digits", approach="transfer", seconds=10)
RUN_FINISHED = RunFinished(
    approach="transfer",
    data="digits",
    backbone="small_resnet",
    classes=["0", "1"],
    train_examples=2,
    test_examples=2,
    test_correct=1,
    test_accuracy=0.5,
    test_accuracy_low=0.1,
    test_accuracy_high=0.9,
    macro_f1=0.5,
    confusion_matrix=[[1, 0], [1, 0]],
    seconds=1.0,
    trainable_parameters=1,
    parameters=2,
    epochs=1.0,
    stopped_by_user=False,
    repeat_plan=PLAN.as_json(),
)
