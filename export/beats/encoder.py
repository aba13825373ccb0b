"""BEATs: from sound to patch features, with the weights that Microsoft publishes.

Chen et al., *BEATs: Audio Pre-Training with Acoustic Tokenizers*, ICML 2023. The log-mel spectrogram is cut into
patches of 16 frames by 16 mel bins; a transformer sees them in one row, all mel blocks of a time block side by side:
patch ``p = 8 t + f``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.calibration.wording import counted
from asd_edge.export.beats.checkpoint import BeatsConfig, read_checkpoint
from asd_edge.export.beats.positional_convolution import BlockConvolution, PositionalConvolution
from asd_edge.export.layers.kaldi import FRAME_SAMPLES, HOP_SAMPLES, MEL_BINS, KaldiLogMel
from asd_edge.export.layers.slaney import HOP_SAMPLES as SPECTRAL_HOP_SAMPLES

WINDOW_SAMPLES = 160_000
FBANK_MEAN = 15.41663
"""The mean of the log-mel spectrogram over AudioSet that BEATs was trained with."""
FBANK_DEVIATION = 6.55582
"""The deviation of the log-mel spectrogram there; BEATs divides by twice this number."""
LAYER_NORM_EPSILON = 1e-5


class Beats(nn.Module):
    """The encoder, for one length of window: ``(batch, samples) -> (batch, patches, dim)``.

    The module computes what the published weights mean, but not with these weights themselves: constant and linear
    parts were folded when they were loaded (`load_beats`). 160,000 samples give 496 patches.

    Between the operations that look across patches, the activations are 2-D, ``(batch * patches, dim)``: ONNX Runtime
    runs a product with its bias as one operator then, and sums and normalises fastest.

    Args:
        config: The sizes of the encoder.
        layers: The number of layers, which may be smaller than in the checkpoint.
        samples: The length of the window in samples at 16 kHz.
    """

    def __init__(self, config: BeatsConfig, layers: int, samples: int) -> None:
        super().__init__()
        side, width = config.input_patch_size, config.encoder_embed_dim
        self.samples = samples
        self.side = side
        self.mel_blocks = MEL_BINS // side
        self.time_blocks = ((samples - FRAME_SAMPLES) // HOP_SAMPLES + 1) // side
        self.patches = self.time_blocks * self.mel_blocks
        self.dimensions = width

        self.spectrogram = KaldiLogMel()
        self.embed = nn.Linear(side * side, config.embed_dim, bias=config.conv_bias)
        self.embed_norm = nn.LayerNorm(config.embed_dim, LAYER_NORM_EPSILON)
        self.project = nn.Linear(config.embed_dim, width) if config.embed_dim != width else nn.Identity()
        self.position = PositionalConvolution(width, config.conv_pos, config.conv_pos_groups)
        self.exported_position: BlockConvolution | None = None
        """The same convolution in a faster form, for the exported graph; it is made when all weights are final."""
        self.norm = nn.LayerNorm(width, LAYER_NORM_EPSILON)
        self.position_bias: Tensor | None
        shape = (config.encoder_attention_heads, self.patches, self.patches)
        self.register_buffer("position_bias", torch.empty(shape) if config.relative_position_embedding else None)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(layers))

    def forward(self, waveform: Tensor) -> Tensor:
        """Transform ``(batch, samples)`` in [-1, 1] to ``(batch, patches, dim)``.

        Raises:
            InputError: The window is of another length than the encoder was loaded for.
        """
        if waveform.shape[1] != self.samples:
            raise InputError(
                "The window is not as long as this encoder's.",
                got=f"{counted(waveform.shape[1], 'sample')}",
                valid=f"{counted(self.samples, 'sample')}",
                next_step="load the encoder with the length of the window",
            )
        x: Tensor = self.project(self.embed_norm(self.embed(self.cut(self.fbank(waveform)))))  # (batch * patches, dim)
        position = self.exported_position if torch.compiler.is_exporting() else None
        near = nn.functional.gelu((position or self.position)(x.reshape(-1, self.patches, self.dimensions)))
        x = self.norm(x + near.flatten(0, 1))
        for layer in self.layers:
            x = layer(x, self.position_bias, self.patches)
        return x.reshape(-1, self.patches, self.dimensions)

    def fbank(self, waveform: Tensor) -> Tensor:
        """Compute BEATs' normalised log-mel spectrogram, ``(batch, samples) -> (batch, 128, frames)``."""
        spectrogram: Tensor = self.spectrogram(waveform)
        return (spectrogram - FBANK_MEAN) / (2.0 * FBANK_DEVIATION)

    def cut(self, fbank: Tensor) -> Tensor:
        """Cut ``(batch, 128, frames)`` into patches of 16 frames by 16 mel bins, ``(batch * patches, 256)``.

        Frames at the end that do not fill a patch are left out.
        """
        used = fbank[:, : self.mel_blocks * self.side, : self.time_blocks * self.side].transpose(1, 2)
        blocks = used.reshape(-1, self.time_blocks, self.side, self.mel_blocks, self.side)
        # (batch, time block, frame, mel block, mel bin) -> (batch, time block, mel block, frame, mel bin)
        return blocks.transpose(2, 3).reshape(-1, self.side * self.side)


class EncoderLayer(nn.Module):
    """One layer: attention with a gated relative position bias, then two dense layers, each normalised afterwards.

    With x the input, R the relative position bias and head h's share of everything::

        q, k, v = Wq x + bq, Wk x, Wv x
        a, b    = sigmoid(Wg x + bg)
        gate    = a (b g - 1) + 2
        y       = softmax(q k' + gate R) v
        x       = LN(x + Wo y + bo)
        x       = LN(x + W2 gelu(W1 x + b1) + b2)

    `load_beats` says where these weights differ from the published ones.
    """

    products = torch.float32
    """the number format of the large products; sums, norms, gates and softmax stay in float32"""
    one_operator = True
    """whether attention is exported as ONNX's own operator, which not every execution provider has"""

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        width, heads, inner = config.encoder_embed_dim, config.encoder_attention_heads, config.encoder_ffn_embed_dim
        self.heads = heads
        self.head_dim = config.head_dim
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.gated = config.relative_position_embedding and config.gru_rel_pos
        if self.gated:
            self.gate = nn.Linear(width, 2 * heads)
            self.gate_scale = nn.Parameter(torch.empty(heads))
        self.out = nn.Linear(width, width)
        epsilon = LAYER_NORM_EPSILON / config.residual_scale**2
        self.attention_norm = nn.LayerNorm(width, epsilon)
        self.widen = nn.Linear(width, inner)
        self.narrow = nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width, epsilon)

    def forward(self, x: Tensor, position_bias: Tensor | None, patches: int) -> Tensor:
        """Transform ``(batch * patches, dim)``; the bias is ``(heads, patches, patches)``."""
        short = x.to(self.products)
        query, key, value = (
            part(short).reshape(-1, patches, self.heads * self.head_dim) for part in (self.query, self.key, self.value)
        )  # (batch, patches, dim)
        bias = position_bias
        if bias is not None and self.gated:
            bias = self._gate(x, patches) * bias  # (batch, heads, patches, patches)
        mixed = self._attend(query, key, value, bias)
        x = self.attention_norm(x + self.out(mixed.flatten(0, 1)).to(x.dtype))
        inner = nn.functional.gelu(self.widen(x.to(self.products)))
        normed: Tensor = self.norm(x + self.narrow(inner).to(x.dtype))
        return normed

    def to_fp16(self) -> None:
        """Compute the large products in float16, for GPUs, which accumulate them in float32."""
        self.products = torch.float16
        for product in (self.query, self.key, self.value, self.out, self.widen, self.narrow):
            product.half()

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
        """Attend with all heads, which lie side by side in ``(batch, patches, dim)``."""
        if self.one_operator and torch.compiler.is_exporting():
            # ONNX's own operator takes them as they lie, which spares four transpositions a layer.
            mixed: Tensor = torch.onnx.ops.attention(
                query, key, value, bias, q_num_heads=self.heads, kv_num_heads=self.heads, scale=1.0
            )[0]
            return mixed
        batch, patches, width = query.shape
        query, key, value = (
            part.reshape(batch, patches, self.heads, self.head_dim).transpose(1, 2) for part in (query, key, value)
        )  # (batch, heads, patches, head dim)
        scores = torch.matmul(query, key.transpose(2, 3)).float()
        weights = (scores if bias is None else scores + bias).softmax(dim=3).to(value.dtype)
        return torch.matmul(weights, value).transpose(1, 2).reshape(batch, patches, width)

    def _gate(self, x: Tensor, patches: int) -> Tensor:
        """Compute how much of the position bias each query takes, ``(batch, heads, patches, 1)``."""
        a, b = self.gate(x).sigmoid().split(self.heads, dim=1)
        gate: Tensor = a * (b * self.gate_scale - 1.0) + 2.0  # (batch * patches, heads)
        return gate.reshape(-1, patches, self.heads, 1).transpose(1, 2)


class TimeInterpolation(nn.Module):
    """From time blocks to the frames of the spectrogram beside them, along a straight line from block to block.

    ``(batch, channels, time blocks) -> (batch, channels, frames)``. A frame takes the value of the moment at its
    centre; before the centre of the first block and behind that of the last, it takes their values. The product with a
    matrix runs on every execution provider.

    Args:
        encoder: The encoder whose time blocks are interpolated.
        frames: The number of frames of the spectrogram, whose frame j is centred at sample 512 j.
    """

    def __init__(self, encoder: Beats, frames: int) -> None:
        super().__init__()
        first = ((encoder.side - 1) * HOP_SAMPLES + FRAME_SAMPLES) / 2  # the centre of the first block, in samples
        place = (torch.arange(frames) * SPECTRAL_HOP_SAMPLES - first) / (encoder.side * HOP_SAMPLES)
        place = place.clamp(0.0, encoder.time_blocks - 1.0)  # in blocks
        distance = (torch.arange(encoder.time_blocks)[:, None] - place).abs()
        self.register_buffer("weights", (1.0 - distance).clamp(min=0.0))  # (time blocks, frames)
        self.weights: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """Interpolate ``(batch, channels, time blocks)``."""
        return torch.matmul(features, self.weights)


def over_mel_blocks(patches: Tensor, mel_blocks: int) -> Tensor:
    """Average over the mel blocks of each time block: ``(batch, patches, dim) -> (batch, time blocks, dim)``."""
    batch, count, dim = patches.shape
    return patches.reshape(batch, count // mel_blocks, mel_blocks, dim).mean(dim=2)


def load_beats(path: Path, layers: int | None = None, samples: int = WINDOW_SAMPLES) -> Beats:
    """Load a checkpoint as Microsoft publishes it, pre-trained or fine-tuned; a class predictor is left out.

    What folds exactly is folded here, in double precision:

    - The gate sums four rows of a map of the query. Sum, map and query are linear: 8 rows a head become 2, which take
      x itself. The gate sees the query before it is scaled.
    - The scale of the query, head_dim^(-1/2), goes into its weights.
    - The bias of the keys adds the same to all scores of a query, and the softmax takes it away again: it is left out.
      The bias of the values comes through unchanged, as the softmax's weights have the sum 1: it goes into the bias
      of what follows.
    - The residual path's scale s goes into what is added to it: LN(s x + y, eps) = LN(x + y / s, eps / s^2).
    - The weight-normed convolution becomes one weight.
    - The relative position bias, the same in all layers, becomes one table for the window.

    Args:
        path: The ``.pt`` file. Nothing in it is executed.
        layers: The number of the encoder's layers to keep, from the first on; all of them by default.
        samples: The length of the window in samples at 16 kHz.

    Raises:
        ModelError: The file is not such a checkpoint (the first key that does not fit is named), or has fewer layers.
        InputError: The window is shorter than a patch.
    """
    config, weights = read_checkpoint(path)
    kept = config.encoder_layers if layers is None else layers
    if not 1 <= kept <= config.encoder_layers:
        raise ModelError(
            "The encoder does not have that many layers.",
            got=f"{counted(kept, 'layer')}",
            valid=f"1 to {config.encoder_layers}",
            next_step=f"give --layers {config.encoder_layers}, or leave it out to keep all",
        )
    shortest = FRAME_SAMPLES + (config.input_patch_size - 1) * HOP_SAMPLES
    if samples < shortest:
        raise InputError(
            "The window is shorter than a patch.",
            got=f"{counted(samples, 'sample')}",
            valid=f"{counted(shortest, 'sample')} or more; BEATs was trained with {WINDOW_SAMPLES}",
            next_step="choose a longer window",
        )
    with torch.device("meta"):  # no memory and no random numbers for weights that are replaced anyway
        module = Beats(config, kept, samples)
    module.load_state_dict(
        {
            **{f"spectrogram.{name}": constant for name, constant in KaldiLogMel().state_dict().items()},
            **_before_layers(config, weights, module.patches),
            **{
                f"layers.{index}.{name}": weight
                for index in range(kept)
                for name, weight in _layer(config, weights, f"encoder.layers.{index}").items()
            },
        },
        assign=True,
    )
    return module.eval().requires_grad_(False)


def position_bias(table: Tensor, patches: int, max_distance: int) -> Tensor:
    """Expand the table of relative position biases to every pair of patches.

    Half the buckets are for keys behind the query, half for keys at or before it. In each half, the first half of the
    buckets are one distance each, and the rest are spaced logarithmically up to the maximum distance (Raffel et al.,
    *Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer*, 2020, section 2.1).

    Args:
        table: One bias for each bucket and head, ``(buckets, heads)``.
        patches: The number of patches in the window.
        max_distance: The distance in patches from which on all keys share a bucket.

    Returns:
        ``(heads, query patches, key patches)``.
    """
    side = len(table) // 2
    exact = side // 2
    place = torch.arange(patches)
    offset = place[None, :] - place[:, None]  # the distance of the key from the query, with its sign
    distance = offset.abs()
    # In single precision as in training: a distance on the border of two buckets must fall into the same one.
    scaled = torch.log(distance.clamp(min=1).to(torch.float32) / exact) / math.log(max_distance / exact)
    far = (exact + (scaled * (side - exact)).to(torch.int64)).clamp(max=side - 1)
    bucket = side * (offset > 0) + torch.where(distance < exact, distance, far)
    return table[bucket].permute(2, 0, 1).contiguous()


def _before_layers(config: BeatsConfig, weights: Mapping[str, Tensor], patches: int) -> dict[str, Tensor]:
    """Fold the weights of `Beats` outside its layers."""
    published = {
        "embed_norm": "layer_norm",
        **({"project": "post_extract_proj"} if config.embed_dim != config.encoder_embed_dim else {}),
        "norm": "encoder.layer_norm",
    }
    folded = {
        f"{ours}.{part}": weights[f"{theirs}.{part}"]
        for ours, theirs in published.items()
        for part in ("weight", "bias")
    }
    folded["embed.weight"] = weights["patch_embedding.weight"].flatten(1)
    if config.conv_bias:
        folded["embed.bias"] = weights["patch_embedding.bias"]
    direction = weights["encoder.pos_conv.0.weight_v"].double()  # normed for each of the kernel's taps
    norm = direction.square().sum(dim=(0, 1), keepdim=True).sqrt()
    folded["position.convolution.weight"] = (weights["encoder.pos_conv.0.weight_g"] * direction / norm).float()
    folded["position.convolution.bias"] = weights["encoder.pos_conv.0.bias"]
    if config.relative_position_embedding:
        table = weights["encoder.layers.0.self_attn.relative_attention_bias.weight"]
        folded["position_bias"] = position_bias(table, patches, config.max_distance)
    return folded


def _layer(config: BeatsConfig, weights: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Fold the weights of an `EncoderLayer`."""
    attention = f"{name}.self_attn"
    scaled = {
        "query": ("self_attn.q_proj", config.head_dim**-0.5),
        "out": ("self_attn.out_proj", 1.0 / config.residual_scale),
        "attention_norm": ("self_attn_layer_norm", 1.0),
        "widen": ("fc1", 1.0),
        "narrow": ("fc2", 1.0 / config.residual_scale),
        "norm": ("final_layer_norm", 1.0),
    }
    folded = {
        f"{ours}.{part}": scale * weights[f"{name}.{theirs}.{part}"]
        for ours, (theirs, scale) in scaled.items()
        for part in ("weight", "bias")
    }
    folded["key.weight"] = weights[f"{attention}.k_proj.weight"]
    folded["value.weight"] = weights[f"{attention}.v_proj.weight"]
    out, value_bias = weights[f"{attention}.out_proj.weight"].double(), weights[f"{attention}.v_proj.bias"].double()
    out_bias = weights[f"{attention}.out_proj.bias"] + out @ value_bias
    folded["out.bias"] = (out_bias / config.residual_scale).float()
    if config.relative_position_embedding and config.gru_rel_pos:
        heads = config.encoder_attention_heads
        # The query is taken head by head. The first four rows of the gate's map make a, the last four make b.
        query = weights[f"{attention}.q_proj.weight"].double().reshape(heads, config.head_dim, -1)
        query_bias = weights[f"{attention}.q_proj.bias"].double().reshape(heads, config.head_dim)
        rows = weights[f"{attention}.grep_linear.weight"].double().reshape(2, 4, config.head_dim).sum(dim=1)
        row_bias = weights[f"{attention}.grep_linear.bias"].double().reshape(2, 4).sum(dim=1)
        folded["gate.weight"] = torch.einsum("gk,hkd->ghd", rows, query).flatten(0, 1).float()  # (2 heads, dim)
        folded["gate.bias"] = (torch.einsum("gk,hk->gh", rows, query_bias) + row_bias[:, None]).flatten().float()
        folded["gate_scale"] = weights[f"{attention}.grep_a"].flatten()
    return folded
