"""Backbones of Hugging Face: text encoders, read from files on this computer."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Self

import torch
from peft import LoraConfig, inject_adapter_in_model
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as transformers_logging

from trainers.backbones import Backbone, cache as places
from trainers.networks.encoder import Encoder as Body, NamedBlock, TokenInputs, group_blocks
from trainers.networks.hf_config import LOCAL_ONLY_OPTIONS, UnsupportedModel, load_config

MAX_BLOCKS = 6  # that the layers are shown in

# Which layers take LoRA, per family as its model_type says; for others they are found.
LORA_TARGETS = {
    **{
        family: ["query", "key", "value", "dense"]
        for family in ("bert", "roberta", "xlm-roberta", "camembert", "electra")
    },
    "distilbert": ["q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"],
}


class HuggingFaceEncoder(Body):
    """A transformer of the Hugging Face hub, without its output layers.

    Takes (ids, mask), int64 and bool (N, length), and returns float (N, features) of length one:
    the mean over a text's tokens.
    """

    def __init__(self, backbone: Backbone, folder: Path, model: PreTrainedModel) -> None:
        super().__init__()
        self.folder, self.model = folder, model
        if getattr(model, "pooler", None) is not None:
            model.pooler = None  # an answering layer of BERT's: the mean does not need it
        self.width = model.config.hidden_size
        self.prefix = backbone.prefix
        self.max_tokens = backbone.max_tokens

    @classmethod
    def build(cls, *, pretrained: bool, backbone: Backbone) -> Self:
        backbone.check_downloaded()
        folder = places.find_snapshot(backbone)
        config = load_config(folder, backbone.key)
        settings = {"config": config, "attn_implementation": "sdpa", "dtype": torch.float32}
        if not pretrained:
            return cls(backbone, folder, AutoModel.from_config(trust_remote_code=False, **settings))
        transformers_logging.disable_progress_bar()  # a worker has no one to show it to
        model, told = AutoModel.from_pretrained(
            folder, use_safetensors=True, output_loading_info=True, **LOCAL_ONLY_OPTIONS, **settings
        )
        if missing := [n for n in told["missing_keys"] if not n.startswith("pooler.")]:
            raise UnsupportedModel(
                f"The weights of {backbone.key} lack {len(missing)} parts of the network, such as "
                f"{missing[0]}. They may be of another kind of model. Choose another one."
            )
        return cls(backbone, folder, model)

    def prepare(self, inputs: Sequence[str]) -> TokenInputs:
        ids = load_tokenizer(self.folder, self.max_tokens)([self.prefix + text for text in inputs])
        return TokenInputs(ids, pad=self.model.config.pad_token_id or 0)

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        ids, mask = batch
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask[:, :, None].to(states.dtype)
        mean = (states * weight).sum(1) / weight.sum(1)
        return nn.functional.normalize(mean.float(), dim=1)

    def named_blocks(self) -> list[NamedBlock]:
        layers = self._find_layers()
        inside = set(layers.modules())
        # Modules with numbers of their own, outside the layers: the words, and what ends it all.
        own = [
            m for m in self.model.modules() if m not in inside and [*m.parameters(recurse=False)]
        ]
        order = list(self.model.modules())
        first = order.index(layers)
        words = nn.ModuleList(m for m in own if order.index(m) < first)
        end = [m for m in own if order.index(m) > first]
        names = [f"layers {number}" for number in range(1, min(MAX_BLOCKS, len(layers)) + 1)]
        parts = group_blocks(list(layers), names)
        if end:
            parts[-1] = NamedBlock(parts[-1].name, nn.ModuleList([parts[-1].module, *end]))
        return [NamedBlock("words", words), *parts]

    def _find_layers(self) -> nn.ModuleList:
        """The stack of layers: the list of modules that holds most of the numbers."""
        lists = [m for m in self.model.modules() if isinstance(m, nn.ModuleList)]
        return max(lists, key=lambda found: sum(p.numel() for p in found.parameters()))

    def add_lora(self, rank: int) -> None:
        targets = LORA_TARGETS.get(self.model.config.model_type) or [
            name
            for name, module in self.model.named_modules()
            if isinstance(module, nn.Linear) and "embed" not in name
        ]
        config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets)
        inject_adapter_in_model(config, self.model)


@cache  # beside the network, not in it: copying a network should not copy a vocabulary
def load_tokenizer(folder: Path, max_tokens: int) -> Callable[[list[str]], list[list[int]]]:
    """A function from texts to their word pieces, at most `max_tokens` each."""
    if (folder / "tokenizer.json").is_file():
        found = Tokenizer.from_file(str(folder / "tokenizer.json"))
        found.no_padding()
        found.enable_truncation(max_tokens)
        return lambda texts: [row.ids for row in found.encode_batch(texts)]
    slower = AutoTokenizer.from_pretrained(folder, **LOCAL_ONLY_OPTIONS)
    return lambda texts: slower(texts, truncation=True, max_length=max_tokens)["input_ids"]
