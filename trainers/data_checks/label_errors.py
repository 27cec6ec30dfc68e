"""Labels that look wrong, judged by what a frozen backbone makes of the examples."""

import warnings

import numpy as np

from trainers.data_checks.context import CheckContext
from trainers.data_checks.findings import Finding

# Measured with the bundled backbones on the 7 bundled samples and the 8 sets at THAW_TEST_DATA, on
# 2,000, 600 and 200 training examples of those that have them. With one label in 20 made wrong, 158
# of the 180 that are named were wrong (of 1,200), 110 of 130 (of 654), 32 of 35 (of 288). With the
# labels as they came 22 of 12,000 are named, 17 of 6,561, 3 of 2,851. A fit three times as strong
# finds half as many again, but names 57, 36 and 9 as they came. On such chances cleanlab's
# find_label_issues names 216 to 307 of 2,500 sound vehicles: a list that people are to read must be
# right more often than that.
MIN_CONFIDENCE = 0.9  # of another class, out of fold
MIN_AGREEING_NEIGHBOURS, NEIGHBOURS = 8, 10  # of the nearest examples that carry that other label
REGRESSION_C = 0.01  # of the fit: C of the regression. Weakly fitted, it is seldom sure
FOLDS = 5
MIN_EXAMPLES = 50  # examples
MAX_EXAMPLES = 3000  # that are compared: a second
MAX_SUSPECT_SHARE = 0.03  # of those that were looked at


def check_label_errors(known: CheckContext) -> Finding | None:
    if known.features is None:
        return None
    features = np.asarray(known.features[:MAX_EXAMPLES], dtype=np.float32)
    labels = known.labels[: len(features)]
    counts = np.bincount(labels, minlength=len(known.data.classes))
    usable = np.flatnonzero(counts[labels] >= FOLDS)
    if len(usable) < MIN_EXAMPLES or len(np.unique(labels[usable])) < 2:
        return None
    answer, sure = suggest_labels(features[usable], labels[usable])
    doubtful = np.flatnonzero(sure >= MIN_CONFIDENCE)
    doubtful = doubtful[np.argsort(-sure[doubtful], kind="stable")]
    if not len(doubtful):
        return None
    places = usable[doubtful]
    notes = [f"looks like {known.data.classes[answer[one]]} ({sure[one]:.0%})" for one in doubtful]
    share = len(places) / len(usable)
    looked = "" if len(usable) == (~known.is_test).sum() else f" (of {len(usable):,} looked at)"
    looks = "looks" if len(places) == 1 else "look"
    return Finding(
        key="suspicious-labels",
        title=f"{known.format_count(len(places))}{looked} {looks} more like another class",
        count=len(places),
        effect="Some may have a wrong label, others are just hard: look at them, and correct what "
        "is wrong in your data. Leaving them out is the short way; it concerns the training alone, "
        "the test keeps its hard ones.",
        severity="warning" if share >= MAX_SUSPECT_SHARE else "note",
        lowers_quality=share >= MAX_SUSPECT_SHARE,
        examples=known.make_examples(places, notes),
        fix=known.make_fix("Leave them out of training", places),
    )


def suggest_labels(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the class that similar examples suggest for each, and the confidence, 0..1.

    The confidence is 0 if that is the example's own class, or if its neighbours disagree.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.neighbors import NearestNeighbors
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=REGRESSION_C, max_iter=100, tol=1e-2)
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    # Threads wait for each other longer than they compute: one is up to 100 times as fast here.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough to the best is enough
        chances = cross_val_predict(model, features, labels, cv=folds, method="predict_proba")
        turned = features - features.mean(0)
        turned /= np.linalg.norm(turned, axis=1, keepdims=True).clip(1e-9)
        nearest = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(labels) - 1), algorithm="brute")
        around = labels[nearest.fit(turned).kneighbors(return_distance=False)]
    answer = np.unique(labels)[chances.argmax(1)]
    agree = (around == answer[:, None]).sum(1) >= MIN_AGREEING_NEIGHBOURS
    return answer, chances.max(1) * (agree & (answer != labels))
