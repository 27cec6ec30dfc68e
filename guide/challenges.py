"""The article's five challenges of adapting a model, each with what Thaw does about it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Challenge:
    key: str
    title: str  # in the article's words
    reason: str
    thaw_checks: str  # what Thaw does about it today


CHALLENGES = (
    Challenge(
        key="data-quality",
        title="Data quality and consistency",
        reason="A model learns the mistakes in its examples too.",
        thaw_checks="Checks your data for duplicates, blanks, labels that look wrong and answers "
        "that give themselves away; shows them, and excludes them at a click. Keeps almost "
        "identical examples on one side of the split.",
    ),
    Challenge(
        key="architecture",
        title="Compatibility of the model",
        reason="A model for photos cannot read, and one for everyday English may not know yours.",
        thaw_checks="Compares the model with your data before a run: size and colour of pictures, "
        "language and length of texts. Shows which layers learn.",
    ),
    Challenge(
        key="resources",
        title="Computing resources",
        reason="Training that takes too long never gets used.",
        thaw_checks="Says how long each approach would take on this computer, from a few timed "
        "steps; then keeps your time budget, and shows what was spent.",
    ),
    Challenge(
        key="monitoring",
        title="Monitoring and evaluation",
        reason="A score on examples the model has seen says nothing.",
        thaw_checks="Tests once, at the end, on examples that were never used, and gives the "
        "score with its uncertainty, beside a line without any training.",
    ),
    Challenge(
        key="bias",
        title="Ethics and bias",
        reason="A good average can hide a class, or a group of people, that is always misread.",
        thaw_checks="Shows which classes are taken for which, and a score in which every class "
        "counts the same (macro-F1).",
    ),
)
