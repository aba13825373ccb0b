"""From sound to one embedding: the BEATs encoder with a pooling, as one module to export."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from torch import Tensor, nn

from asd_edge.calibration.atomic_files import file_sha256
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ, ModelInfo
from asd_edge.calibration.errors import InputError
from asd_edge.export.beats.encoder import Beats, EncoderLayer, load_beats
from asd_edge.export.beats.pooling import APART, CONCATENATED, TRAINED, AttentiveStatisticsPooling, build_pooling
from asd_edge.export.beats.positional_convolution import BlockConvolution

OPSETS = {"cpu": 23, "cuda": 20}
"""The ONNX operator set for each execution provider that a graph can be made for.

The set for the CPU has attention as one operator, which ONNX Runtime runs from 1.23 on. The graph for CUDA uses common
operators only, which OpenVINO and TensorRT run as well.
"""


class BeatsEmbedder(nn.Module):
    """``(batch, samples) -> (batch, out)``, and the attention weights ``(batch, patches)`` where the pooling has them.

    Args:
        encoder: The module that gives patch features.
        pooling: The module that makes one embedding of them.
    """

    def __init__(self, encoder: Beats, pooling: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling

    def forward(self, waveform: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Embed ``(batch, samples)`` in [-1, 1] at 16 kHz."""
        pooled: Tensor | tuple[Tensor, Tensor] = self.pooling(self.encoder(waveform))
        return pooled


def require_target(target: str) -> None:
    """Refuse an execution provider that no graph can be made for.

    Raises:
        InputError: The target is not one of `OPSETS`.
    """
    if target not in OPSETS:
        raise InputError(
            "There is no graph for this target.", got=target, valid=" or ".join(OPSETS), next_step="try --target cpu"
        )


def prepare_encoder(encoder: Beats, target: str) -> None:
    """Choose how an encoder whose weights are final is exported.

    Args:
        encoder: The encoder.
        target: One of `OPSETS`.
    """
    encoder.exported_position = BlockConvolution(encoder.position, encoder.patches)
    for layer in encoder.layers:
        cast(EncoderLayer, layer).one_operator = target == "cpu"


def build_beats(
    checkpoint: Path,
    pooling: str,
    head: Path | None = None,
    layers: int | None = None,
    window_s: float = 10.0,
    target: str = "cpu",
    mel_block_mode: str = APART,
) -> tuple[BeatsEmbedder, ModelInfo]:
    """Make the module to export, and what its file says of itself.

    Args:
        checkpoint: A checkpoint as Microsoft publishes it, such as ``BEATs_iter3.pt``.
        pooling: One of `asd_edge.export.beats.pooling.POOLINGS`.
        head: The trained weights of the pooling ``asp``.
        layers: The number of the encoder's layers to keep, from the first; all by default.
        window_s: The length of the window in seconds.
        target: One of `OPSETS`.
        mel_block_mode: One of `asd_edge.export.beats.pooling.MEL_BLOCK_MODES`.

    Raises:
        ModelError: The checkpoint or the head cannot be used.
        InputError: There is no such pooling, or the window is too short.
    """
    encoder = load_beats(checkpoint, layers, round(window_s * SAMPLE_RATE_HZ))
    prepare_encoder(encoder, target)
    pool = build_pooling(pooling, encoder.dimensions, head, mel_block_mode)
    digest = file_sha256(checkpoint)
    origin = pool.origin if isinstance(pool, AttentiveStatisticsPooling) else None
    if origin is not None:
        origin.require(digest, len(encoder.layers))
    pooling_name = pooling if mel_block_mode == APART else f"{pooling}-{mel_block_mode}"
    info = ModelInfo(
        recipe=origin.system if origin else f"beats-{pooling_name}",
        samples=encoder.samples,
        dimensions=cast(int, pool.dimensions),
        scorer="nearest-cosine" if mel_block_mode == CONCATENATED else "nearest",
        checkpoint_sha256=digest,
        pooling=pooling_name,
        layers=len(encoder.layers),
        target=target,
        opset=OPSETS[target],
        patch_grid=(encoder.time_blocks, encoder.mel_blocks) if pooling == TRAINED else None,
    )
    return BeatsEmbedder(encoder, pool).eval(), info
