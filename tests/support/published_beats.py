"""The sounds and the checkpoints that the reference results in ``tests/reference`` were computed with.

The checkpoints have the layout and the sizes of those that Microsoft publishes, with random weights: the bias of the
relative positions makes real use of every bucket, so that a wrong bucket or gate shows as an error far above rounding.
All random numbers come from NumPy's PCG64, which gives the same ones on every computer.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "beats.npz"
_SEED_OF_THE_WEIGHTS = 7
_SEED_OF_THE_SOUNDS = 11
_SIZES: dict[str, dict[str, Any]] = {
    "small": {
        "embed_dim": 32,
        "encoder_layers": 3,
        "encoder_embed_dim": 96,
        "encoder_ffn_embed_dim": 192,
        "encoder_attention_heads": 4,
    },
    "base": {
        "embed_dim": 512,
        "encoder_layers": 12,
        "encoder_embed_dim": 768,
        "encoder_ffn_embed_dim": 3072,
        "encoder_attention_heads": 12,
    },
}


def reference() -> dict[str, NDArray[np.float32]]:
    """Every n-th number of the reference results, which are part of the project."""
    with np.load(REFERENCE) as arrays:
        return dict(arrays)


def full_reference(name: str) -> dict[str, NDArray[np.float32]]:
    """All numbers of the reference results, which are too large to be part of the project; skips where they are not.

    Args:
        name: The name of the file, ``beats_small.npz`` or ``beats_base.npz``.
    """
    default = Path(__file__).resolve().parents[2].parent / "shared" / "golden"
    path = Path(os.environ.get("ASD_EDGE_GOLDEN", default)) / name
    if not path.is_file():
        pytest.skip(f"the full reference results are not here: {path} (set ASD_EDGE_GOLDEN)")
    with np.load(path) as arrays:
        return dict(arrays)


def sounds() -> NDArray[np.float32]:
    """Noise, a hum with 19 harmonics in fainter noise, and four knocks a second in noise: ``(3, 160000)``."""
    rng = np.random.default_rng(_SEED_OF_THE_SOUNDS)
    noise = 0.05 * rng.standard_normal(160_000)
    seconds = np.arange(160_000) / 16_000
    hum = sum(0.1 / k * np.sin(2.0 * np.pi * 50.0 * k * seconds + rng.uniform(0.0, 6.0)) for k in range(1, 20))
    hum = hum + 0.01 * rng.standard_normal(160_000)
    knocks = 0.02 * rng.standard_normal(160_000)
    for start in range(0, 160_000, 4000):
        knocks[start : start + 200] += 0.5 * rng.standard_normal(200) * np.exp(-np.arange(200) / 40.0)
    return np.stack([noise, hum, knocks]).astype(np.float32)


def write_published_beats(path: Path, size: str, finetuned: bool = False) -> Path:
    """Write a checkpoint.

    Args:
        path: The file to write.
        size: ``small`` or ``base``, which has 90 million weights, 360 MB.
        finetuned: Whether the predictor of AudioSet's 527 classes follows. Its weights are drawn last, so that those of
            the encoder are the same.
    """
    cfg: dict[str, Any] = {
        "input_patch_size": 16,
        "conv_bias": False,
        "activation_fn": "gelu",
        "layer_wise_gradient_decay_ratio": 0.6,
        "layer_norm_first": False,
        "deep_norm": True,
        "dropout": 0.0,
        "encoder_layerdrop": 0.05,
        "conv_pos": 128,
        "conv_pos_groups": 16,
        "relative_position_embedding": True,
        "num_buckets": 320,
        "max_distance": 800,
        "gru_rel_pos": True,
        "finetuned_model": finetuned,
        "predictor_class": 527,
        **_SIZES[size],
    }
    torch.save({"cfg": cfg, "model": _weights(cfg)}, path)
    return path


def _weights(cfg: dict[str, Any]) -> dict[str, Tensor]:
    rng = np.random.Generator(np.random.PCG64(_SEED_OF_THE_WEIGHTS))
    model: dict[str, Tensor] = {}

    def draw(*shape: int, std: float) -> Tensor:
        return torch.from_numpy((rng.standard_normal(shape) * std).astype(np.float32))

    def linear(name: str, outputs: int, inputs: int, gain: float = 1.0) -> None:
        model[f"{name}.weight"] = draw(outputs, inputs, std=gain / math.sqrt(inputs))
        model[f"{name}.bias"] = draw(outputs, std=0.1)

    def layer_norm(name: str, width: int) -> None:
        model[f"{name}.weight"] = 1 + draw(width, std=0.1)
        model[f"{name}.bias"] = draw(width, std=0.1)

    embed, width, heads = cfg["embed_dim"], cfg["encoder_embed_dim"], cfg["encoder_attention_heads"]
    kernel, side = cfg["conv_pos"], cfg["input_patch_size"]
    model["patch_embedding.weight"] = draw(embed, 1, side, side, std=1 / side)
    layer_norm("layer_norm", embed)
    if embed != width:
        linear("post_extract_proj", width, embed)
    model["encoder.pos_conv.0.bias"] = draw(width, std=0.1)
    model["encoder.pos_conv.0.weight_g"] = 1 + draw(1, 1, kernel, std=0.3).abs()
    model["encoder.pos_conv.0.weight_v"] = draw(width, width // cfg["conv_pos_groups"], kernel, std=0.05)
    layer_norm("encoder.layer_norm", width)
    table = draw(cfg["num_buckets"], heads, std=1.0)
    for index in range(cfg["encoder_layers"]):
        layer = f"encoder.layers.{index}"
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            linear(f"{layer}.self_attn.{name}", width, width)
        linear(f"{layer}.self_attn.grep_linear", 8, width // heads, gain=0.5)
        model[f"{layer}.self_attn.grep_a"] = 1 + draw(1, heads, 1, 1, std=0.5)
        model[f"{layer}.self_attn.relative_attention_bias.weight"] = table
        layer_norm(f"{layer}.self_attn_layer_norm", width)
        linear(f"{layer}.fc1", cfg["encoder_ffn_embed_dim"], width)
        linear(f"{layer}.fc2", width, cfg["encoder_ffn_embed_dim"])
        layer_norm(f"{layer}.final_layer_norm", width)
    if cfg["finetuned_model"]:
        linear("predictor", cfg["predictor_class"], width)
    return model
