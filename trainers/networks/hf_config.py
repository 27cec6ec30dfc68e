"""Which models of Hugging Face are encoders that can be used: by their config.json alone, so that a
download can ask before the weights come."""

import logging
from pathlib import Path

from transformers import AutoConfig, PretrainedConfig

LOCAL_ONLY_OPTIONS = {"local_files_only": True, "trust_remote_code": False}


class UnsupportedModel(ValueError):
    """A model of the hub that cannot be used here; the text says why."""


def load_config(folder: Path, name: str) -> PretrainedConfig:
    """Return config.json. Raises `UnsupportedModel`, also if it would run its own code."""
    try:
        config = AutoConfig.from_pretrained(folder, **LOCAL_ONLY_OPTIONS)
    except (ValueError, OSError, KeyError) as error:
        logging.info("%s: %s", name, error)
        raise UnsupportedModel(
            f"{name} is a kind of model that the installed transformers does not know by itself; "
            "it may bring code of its own, which Thaw never runs. Choose another one."
        ) from None
    if config.is_encoder_decoder or not hasattr(config, "hidden_size"):
        raise UnsupportedModel(
            f"{name} is a {config.model_type}, not an encoder that turns a text into numbers. "
            "Choose one such as BERT, RoBERTa or DistilBERT."
        )
    return config
