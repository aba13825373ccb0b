"""A peer to be measured against: BEATs as its formulas read and its published code runs it, with nothing folded.

Separate products for query, key and value; the position bias gathered from its table, and gated, in every layer;
softmax with the published scaling by 32; weight norm as a parametrisation. It computes what
`asd_edge.export.beats.encoder` computes, from the same checkpoint,
and is exported with PyTorch's defaults, as a user would export it by hand.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from asd_edge.export.beats.checkpoint import BeatsConfig, read_checkpoint
from asd_edge.export.beats.encoder import FBANK_DEVIATION, FBANK_MEAN
from asd_edge.export.layers.kaldi import KaldiLogMel

_SCALE = 32.0
"""The published code divides queries by it and multiplies scores with it again, for the sake of half precision."""


class PlainBeats(nn.Module):
    """``(batch, samples) -> (batch, dim)``: the encoder and the mean over all patches."""

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        width, side = config.encoder_embed_dim, config.input_patch_size
        self.spectrogram = KaldiLogMel()
        self.patch_embedding = nn.Conv2d(1, config.embed_dim, side, side, bias=config.conv_bias)
        self.layer_norm = nn.LayerNorm(config.embed_dim)
        self.post_extract_proj = nn.Linear(config.embed_dim, width) if config.embed_dim != width else nn.Identity()
        self.encoder = _Encoder(config)

    def forward(self, waveform: Tensor) -> Tensor:
        """Embed ``(batch, samples)``."""
        fbank = (self.spectrogram(waveform).transpose(1, 2) - FBANK_MEAN) / (2.0 * FBANK_DEVIATION)
        patches = self.patch_embedding(fbank.unsqueeze(1)).flatten(2).transpose(1, 2)
        encoded: Tensor = self.encoder(self.post_extract_proj(self.layer_norm(patches)))
        return encoded.mean(dim=1)


class _Encoder(nn.Module):
    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        width, kernel = config.encoder_embed_dim, config.conv_pos
        convolution = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=config.conv_pos_groups)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the older of two ways, whose names the checkpoint has
            self.pos_conv = nn.ModuleList([nn.utils.weight_norm(convolution, name="weight", dim=2)])
        self.layer_norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.encoder_layers))

    def forward(self, x: Tensor) -> Tensor:
        near = self.pos_conv[0](x.transpose(1, 2))[:, :, : x.shape[1]]
        x = self.layer_norm(x + nn.functional.gelu(near).transpose(1, 2))
        for layer in self.layers:
            x = layer(x)
        return x


class _Layer(nn.Module):
    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        width = config.encoder_embed_dim
        self.alpha = config.residual_scale
        self.self_attn = _Attention(config)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, config.encoder_ffn_embed_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_embed_dim, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.self_attn_layer_norm(self.alpha * x + self.self_attn(x))
        normed: Tensor = self.final_layer_norm(self.alpha * x + self.fc2(nn.functional.gelu(self.fc1(x))))
        return normed


class _Attention(nn.Module):
    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        width, heads = config.encoder_embed_dim, config.encoder_attention_heads
        self.heads, self.head_dim = heads, config.head_dim
        self.max_distance = config.max_distance
        self.k_proj, self.v_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.q_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.grep_linear = nn.Linear(self.head_dim, 8)
        self.grep_a = nn.Parameter(torch.ones(1, heads, 1, 1))
        self.relative_attention_bias = nn.Embedding(config.num_buckets, heads)

    def forward(self, x: Tensor) -> Tensor:
        batch, patches, width = x.shape
        query, key, value = (
            part(x).reshape(batch, patches, self.heads, self.head_dim).transpose(1, 2)
            for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        rows = self.grep_linear(query).reshape(batch, self.heads, patches, 2, 4).sum(dim=4)
        a, b = rows.sigmoid().chunk(2, dim=3)
        gate = a * (b * self.grep_a - 1.0) + 2.0
        scores = torch.matmul(query * self.head_dim**-0.5 / _SCALE, key.transpose(2, 3))
        scores = (scores - scores.amax(dim=3, keepdim=True)) * _SCALE + gate * self._position_bias(patches)
        mixed = torch.matmul(scores.softmax(dim=3), value).transpose(1, 2).reshape(batch, patches, width)
        projected: Tensor = self.out_proj(mixed)
        return projected

    def _position_bias(self, patches: int) -> Tensor:
        side = self.relative_attention_bias.num_embeddings // 2
        exact = side // 2
        place = torch.arange(patches)
        offset = place[None, :] - place[:, None]
        distance = offset.abs()
        scaled = torch.log(distance.clamp(min=1).float() / exact) / torch.log(torch.tensor(self.max_distance / exact))
        far = (exact + (scaled * (side - exact)).long()).clamp(max=side - 1)
        bucket = side * (offset > 0) + torch.where(distance < exact, distance, far)
        bias: Tensor = self.relative_attention_bias(bucket)
        return bias.permute(2, 0, 1)


def load_plain_beats(path: Path) -> PlainBeats:
    """Load a checkpoint as it is.

    Raises:
        ModelError: The file is not such a checkpoint.
    """
    config, weights = read_checkpoint(path)
    module = PlainBeats(config)
    constants = {f"spectrogram.{name}": value for name, value in module.spectrogram.state_dict().items()}
    module.load_state_dict({name: value for name, value in weights.items() if "predictor" not in name} | constants)
    return module.eval().requires_grad_(False)


def export_plain(module: nn.Module, samples: int, path: Path) -> None:
    """Export with PyTorch's defaults, one clip at a time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.zeros(1, samples),),
            path,
            input_names=["waveform"],
            output_names=["pooled"],  # "embedding" is taken by the table of position biases
            external_data=False,
            verbose=False,
        )
