"""BEATs checkpoints as Microsoft publishes them: reading one, and checking that it is what it says it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from asd_edge.calibration.errors import ModelError
from asd_edge.export.layers.kaldi import MEL_BINS
from asd_edge.export.weights_file import check_weights, read_weights

_GET_ANOTHER = "download it again, from the list of BEATs models in Microsoft's unilm repository"
_GATE_ROWS = 8
"""The number of rows of the map behind a gate: four are summed for each of two sigmoids."""


@dataclass(frozen=True)
class BeatsConfig:
    """What a checkpoint's ``cfg`` says of the encoder.

    The names are those in the checkpoint, and the defaults are the values that an absent entry has there. Entries that
    matter to training only, such as dropout, are not read.
    """

    input_patch_size: int
    """The side of a patch, in frames and in mel bins."""
    embed_dim: int = 512
    """The width of a patch before the projection."""
    conv_bias: bool = False
    """Whether embedding a patch adds a bias."""
    encoder_layers: int = 12
    encoder_embed_dim: int = 768
    encoder_ffn_embed_dim: int = 3072
    encoder_attention_heads: int = 12
    activation_fn: str = "gelu"
    layer_norm_first: bool = False
    deep_norm: bool = False
    """Whether the residual path of every layer is scaled by (2 layers)^(1/4)."""
    conv_pos: int = 128
    """The length of the kernel of the positional convolution, in patches."""
    conv_pos_groups: int = 16
    relative_position_embedding: bool = False
    num_buckets: int = 320
    max_distance: int = 1280
    """The distance in patches from which on all pairs share the last bucket."""
    gru_rel_pos: bool = False
    """Whether the query gates the relative position bias."""
    finetuned_model: bool = False
    """Whether a class predictor follows the encoder."""
    predictor_class: int = 527

    @classmethod
    def from_checkpoint(cls, cfg: Mapping[object, object]) -> BeatsConfig:
        """Take what is known from a checkpoint's ``cfg``.

        Raises:
            ModelError: An entry is missing or of the wrong type, or describes an encoder that is not a BEATs.
        """
        if "input_patch_size" not in cfg:
            _refuse_entry("input_patch_size", "nothing", "the side of a patch, 16")
        values = {}
        for item in fields(cls):
            if item.name not in cfg:
                continue
            value = cfg[item.name]
            if item.type == "bool" and type(value) is not bool:
                _refuse_entry(item.name, value, "True or False")
            if item.type == "int" and (type(value) is not int or value < 1):
                _refuse_entry(item.name, value, "a whole number above zero")
            values[item.name] = value
        return cls(**values)  # type: ignore[arg-type]  # checked above, field by field

    def __post_init__(self) -> None:
        if self.input_patch_size > MEL_BINS:
            _refuse_entry("input_patch_size", self.input_patch_size, f"{MEL_BINS} or less, as there are mel bins")
        if self.activation_fn != "gelu":
            _refuse_entry("activation_fn", self.activation_fn, "gelu, as in every published BEATs")
        if self.layer_norm_first:
            _refuse_entry("layer_norm_first", True, "False, as in every published BEATs")
        if self.encoder_embed_dim % self.encoder_attention_heads:
            _refuse_entry("encoder_attention_heads", self.encoder_attention_heads, self._divisor)
        if self.encoder_embed_dim % self.conv_pos_groups:
            _refuse_entry("conv_pos_groups", self.conv_pos_groups, self._divisor)
        if self.num_buckets % 4 or self.max_distance <= self.num_buckets // 4:
            got = f"{self.num_buckets} with max_distance {self.max_distance}"
            _refuse_entry("num_buckets", got, "a multiple of four, less than four times max_distance")

    @property
    def _divisor(self) -> str:
        return f"a divisor of encoder_embed_dim, {self.encoder_embed_dim}"

    @property
    def head_dim(self) -> int:
        """The width of one attention head."""
        return self.encoder_embed_dim // self.encoder_attention_heads

    @property
    def residual_scale(self) -> float:
        """The factor of the residual path of every layer, which depends on the number of layers that were trained."""
        return (2.0 * self.encoder_layers) ** 0.25 if self.deep_norm else 1.0

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Name every weight that belongs in the checkpoint, from the sound to the predictor, with its shape."""
        patch, embed, width = self.input_patch_size, self.embed_dim, self.encoder_embed_dim
        heads, kernel = self.encoder_attention_heads, self.conv_pos
        yield "patch_embedding.weight", (embed, 1, patch, patch)
        if self.conv_bias:
            yield "patch_embedding.bias", (embed,)
        yield from _layer_norm("layer_norm", embed)
        if embed != width:
            yield from _linear("post_extract_proj", width, embed)
        yield "encoder.pos_conv.0.bias", (width,)
        yield "encoder.pos_conv.0.weight_g", (1, 1, kernel)
        yield "encoder.pos_conv.0.weight_v", (width, width // self.conv_pos_groups, kernel)
        yield from _layer_norm("encoder.layer_norm", width)
        for index in range(self.encoder_layers):
            layer = f"encoder.layers.{index}"
            for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
                yield from _linear(f"{layer}.self_attn.{name}", width, width)
            if self.gru_rel_pos:
                yield from _linear(f"{layer}.self_attn.grep_linear", _GATE_ROWS, self.head_dim)
                yield f"{layer}.self_attn.grep_a", (1, heads, 1, 1)
            if self.relative_position_embedding:
                yield f"{layer}.self_attn.relative_attention_bias.weight", (self.num_buckets, heads)
            yield from _layer_norm(f"{layer}.self_attn_layer_norm", width)
            yield from _linear(f"{layer}.fc1", self.encoder_ffn_embed_dim, width)
            yield from _linear(f"{layer}.fc2", width, self.encoder_ffn_embed_dim)
            yield from _layer_norm(f"{layer}.final_layer_norm", width)
        if self.finetuned_model:
            yield from _linear("predictor", self.predictor_class, width)


def read_checkpoint(path: Path) -> tuple[BeatsConfig, dict[str, Tensor]]:
    """Read a checkpoint, ``{"cfg": ..., "model": ...}``, pre-trained or fine-tuned.

    Args:
        path: The ``.pt`` file. Nothing in it is executed.

    Returns:
        What it says of the encoder, and the weights by their names there, every one present, of the right shape and
        finite.

    Raises:
        ModelError: The file cannot be read or is not such a checkpoint; the first thing that does not fit is named.
    """
    loaded = read_weights(path, "a BEATs checkpoint", _GET_ANOTHER)
    cfg, model = (loaded.get(key) for key in ("cfg", "model"))
    if not isinstance(cfg, Mapping) or not isinstance(model, Mapping):
        found = ", ".join(sorted(str(key) for key in loaded)[:5]) or "nothing"
        raise ModelError(
            f"{path.name} is not a BEATs checkpoint.",
            got=f"a file with {found}",
            valid="a file with cfg and model, such as BEATs_iter3.pt",
            next_step=_GET_ANOTHER,
        )
    config = BeatsConfig.from_checkpoint(cfg)
    weights = check_weights(model, config.shapes(), path, _GET_ANOTHER)
    # Every layer carries a copy of the one table that all share.
    tables = [name for name in weights if name.endswith(".relative_attention_bias.weight")]
    for name in tables:
        if not torch.equal(weights[name], weights[tables[0]]):
            raise ModelError(
                f"{path.name} has more than one table of relative positions: {name}.",
                got="a table that differs from the first layer's",
                valid="the same table in every layer",
                next_step=_GET_ANOTHER,
            )
    return config, weights


def _linear(name: str, out_features: int, in_features: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (out_features, in_features)
    yield f"{name}.bias", (out_features,)


def _layer_norm(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def _refuse_entry(name: str, got: object, valid: str) -> NoReturn:
    raise ModelError(
        f"The checkpoint's cfg does not describe a BEATs encoder: {name}.",
        got=f"{name} = {got}",
        valid=valid,
        next_step=_GET_ANOTHER,
    )
