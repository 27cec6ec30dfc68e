"""What to watch out for: the article's five challenges, each with what Thaw checks."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Challenge:
    key: str
    title: str  # the article's
    why: str
    thaw_checks: str  # only what is there: extended with the app


CHALLENGES = (
    Challenge(
        key="data-quality",
        title="Data quality and consistency",
        why="A model learns the mistakes in its examples too.",
        thaw_checks="Looks your data over: doubles, blanks, labels that look wrong, an answer that "
        "gives itself away; shows them, and leaves them out at a click. Keeps what is nearly the "
        "same on one side of the test.",
    ),
    Challenge(
        key="architecture",
        title="Compatibility of the model",
        why="A model for photos cannot read, and one for everyday English may not know yours.",
        thaw_checks="Holds the model against your data before a run: size and colour of pictures, "
        "language and length of texts. Shows which layers learn.",
    ),
    Challenge(
        key="resources",
        title="Computing resources",
        why="Training that does not end in time is no training.",
        thaw_checks="Says how long each approach would take on this computer, from a few timed "
        "steps; then keeps your time budget, and shows what was spent.",
    ),
    Challenge(
        key="monitoring",
        title="Monitoring and evaluation",
        why="A score on examples the model has seen says nothing.",
        thaw_checks="Tests once, at the end, on examples that were never used, and gives the "
        "score with its uncertainty, beside a line without any training.",
    ),
    Challenge(
        key="bias",
        title="Ethics and bias",
        why="A good average can hide a class, or a group of people, that is always misread.",
        thaw_checks="Shows which classes are taken for which, and a score in which every class "
        "counts the same (macro-F1).",
    ),
)
