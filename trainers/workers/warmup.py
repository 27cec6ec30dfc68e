"""Load and run the bundled backbones once, so that the first run need not wait for their set-up.

A failure here is only logged: the run that needs the backbone reports it to its visitor.
"""

import logging
from collections.abc import Callable
from functools import wraps


def preload_training() -> None:
    """Import torch and all modules of training."""
    import trainers.training.shared_cache  # noqa: F401


def _log_failure(load: Callable[[], None]) -> Callable[[], None]:
    @wraps(load)
    def attempt() -> None:
        try:
            load()
        except Exception:
            logging.exception("A backbone could not be warmed up.")

    return attempt


@_log_failure
def warm_up_images() -> None:
    """Load the bundled image backbone and run it on two blank images."""
    import torch

    from trainers.networks.loading import new_encoder

    encoder = new_encoder("small_resnet", pretrained=True)
    with torch.inference_mode():
        encoder(torch.zeros(2, 3, 32, 32, device=next(encoder.parameters()).device))


@_log_failure
def warm_up_text() -> None:
    """Load the bundled text backbone and run it on one short text."""
    import torch

    from trainers.networks.loading import new_encoder

    encoder = new_encoder("minilm", pretrained=True)
    with torch.inference_mode():
        encoder(encoder.prepare(["warming up"]).batch(torch.tensor([0])))
