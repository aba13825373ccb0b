"""A BEATs checkpoint of a few narrow layers with random weights, in the published layout."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

TINY: dict[str, Any] = {
    "input_patch_size": 16,
    "embed_dim": 12,
    "conv_bias": False,
    "encoder_layers": 3,
    "encoder_embed_dim": 24,
    "encoder_ffn_embed_dim": 40,
    "encoder_attention_heads": 3,
    "activation_fn": "gelu",
    "layer_norm_first": False,
    "deep_norm": True,
    "conv_pos": 16,
    "conv_pos_groups": 4,
    "relative_position_embedding": True,
    "num_buckets": 32,
    "max_distance": 40,
    "gru_rel_pos": True,
    "dropout": 0.0,  # an entry that only training looks at
}


def tiny_weights(cfg: dict[str, Any]) -> dict[str, Tensor]:
    """Random weights by their published names."""
    generator = torch.Generator().manual_seed(1)
    model: dict[str, Tensor] = {}

    def draw(name: str, *shape: int, mean: float = 0.0, std: float = 0.5) -> None:
        model[name] = mean + std * torch.randn(shape, generator=generator)

    def linear(name: str, outputs: int, inputs: int) -> None:
        draw(f"{name}.weight", outputs, inputs, std=1.5 / math.sqrt(inputs))
        draw(f"{name}.bias", outputs)

    def layer_norm(name: str, width: int) -> None:
        draw(f"{name}.weight", width, mean=1.0, std=0.2)
        draw(f"{name}.bias", width)

    embed, width, heads = cfg["embed_dim"], cfg["encoder_embed_dim"], cfg["encoder_attention_heads"]
    draw("patch_embedding.weight", embed, 1, 16, 16, std=0.1)
    if cfg["conv_bias"]:
        draw("patch_embedding.bias", embed)
    layer_norm("layer_norm", embed)
    if embed != width:
        linear("post_extract_proj", width, embed)
    draw("encoder.pos_conv.0.bias", width)
    draw("encoder.pos_conv.0.weight_g", 1, 1, cfg["conv_pos"], mean=1.0)
    draw("encoder.pos_conv.0.weight_v", width, width // cfg["conv_pos_groups"], cfg["conv_pos"])
    layer_norm("encoder.layer_norm", width)
    draw("table", cfg["num_buckets"], heads, std=1.0)
    table = model.pop("table")
    for i in range(cfg["encoder_layers"]):
        attention = f"encoder.layers.{i}.self_attn"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(f"{attention}.{name}", width, width)
        if cfg["gru_rel_pos"]:
            linear(f"{attention}.grep_linear", 8, width // heads)
            draw(f"{attention}.grep_a", 1, heads, 1, 1, mean=1.0)
        if cfg["relative_position_embedding"]:
            model[f"{attention}.relative_attention_bias.weight"] = table
        layer_norm(f"encoder.layers.{i}.self_attn_layer_norm", width)
        linear(f"encoder.layers.{i}.fc1", cfg["encoder_ffn_embed_dim"], width)
        linear(f"encoder.layers.{i}.fc2", width, cfg["encoder_ffn_embed_dim"])
        layer_norm(f"encoder.layers.{i}.final_layer_norm", width)
    return model


def write_tiny_beats(path: Path, **changes: object) -> Path:
    """Write a checkpoint, with entries of its cfg changed: ``write_tiny_beats(path, deep_norm=False)``."""
    cfg = TINY | changes
    torch.save({"cfg": cfg, "model": tiny_weights(cfg)}, path)
    return path
