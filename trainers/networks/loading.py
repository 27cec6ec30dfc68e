"""Pre-trained bodies: one of each that a process shares, and copies of one's own to change."""

import hashlib
from copy import deepcopy
from functools import lru_cache

import torch

from trainers import backbones
from trainers.networks.encoder import Encoder, autocast, get_device


def new_encoder(key: str, *, pretrained: bool) -> Encoder:
    """A body of one's own to change; the pre-trained weights are read once a process."""
    if pretrained:
        return deepcopy(shared_encoder(key)).to(get_device())
    return backbones.pick(key).build_encoder(pretrained=False).to(get_device())


@lru_cache(maxsize=4)  # the bundled ones and two downloaded: each may take half a gigabyte
def shared_encoder(key: str) -> Encoder:
    """The pre-trained body that this process shares: not to be changed."""
    with torch.random.fork_rng():  # else the first run would differ from later ones
        return backbones.pick(key).build_encoder()


@lru_cache(maxsize=4)  # as `loaded`
def weights_fingerprint(key: str) -> str:
    """Return a digest of everything that decides the pre-trained encoder's features."""
    told = hashlib.blake2b(digest_size=16)
    body, machine = shared_encoder(key), (get_device().type, autocast()._enabled, torch.__version__)
    told.update(repr((key, type(body).__qualname__, body.width, machine)).encode())
    for name, value in body.state_dict().items():
        told.update(name.encode())
        told.update(value.cpu().contiguous().numpy().tobytes())
    return told.hexdigest()
