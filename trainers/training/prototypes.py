"""Which of some directions an example points most the same way as: what needs no training."""

import torch
from torch import Tensor, nn

from trainers.training.model import Head


def classify_by_class_mean(features: Tensor, labels: Tensor, asked: Tensor, classes: int) -> Tensor:
    """The class, int64 (N,), whose mean feature points most the same way as each of `asked`."""
    return assign_nearest(compute_class_means(features, labels, classes), asked, features.mean(0))


def compute_class_means(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    """The mean feature of each class, float (classes, F); not numbers where it has no example."""
    labels = labels.to(features.device)
    means = torch.full((classes, features.shape[1]), torch.nan, device=features.device)
    for label in labels.unique():
        means[label] = features[labels == label].mean(0)
    return means


def assign_nearest(targets: Tensor, asked: Tensor, centre: Tensor | float = 0.0) -> Tensor:
    """For each of `asked` (N, F) the row of `targets` nearest by angle seen from `centre`; rows
    that are not numbers (classes without an example) are never it."""
    towards = nn.functional.normalize(targets - centre, dim=1)
    likeness = nn.functional.normalize(asked - centre, dim=1) @ towards.T
    return likeness.nan_to_num(nan=-torch.inf).argmax(1)


@torch.no_grad()
def set_prototype_head(head: Head, targets: Tensor, centre: Tensor | float = 0.0) -> None:
    """Set `head` to what `nearest` compares with, so that it is kept like one that has learned:
    its weights are directions. One that is no direction (a class without an example) gets a bias
    below every likeness."""
    towards = nn.functional.normalize(targets - centre, dim=1)
    absent = towards.isnan().any(1)
    head.linear.weight.copy_(towards.nan_to_num(nan=0.0))
    head.linear.bias.copy_(ABSENT_CLASS_BIAS * absent)
    head.centre.copy_(torch.as_tensor(centre))


ABSENT_CLASS_BIAS = -2.0  # a likeness is a cosine: -1 is the least
