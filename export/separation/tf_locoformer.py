"""TF-Locoformer (Saijo et al., IWAENC 2024): takes a sound apart, hearing along frequency and along time in turn."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from asd_edge.calibration.errors import InputError

_EPSILON = 1e-5
"""The number that the norms add to a mean square."""
_ROTARY_BASE = 10_000.0
"""The base of Su et al.: pairs of features turn by 1 down to 1/10,000 radian a position."""
_SILENCE = 1e-8
"""The root mean square below which a sound is not made louder."""


@dataclass(frozen=True)
class LocoformerSettings:
    """The sizes of a TF-Locoformer. The defaults train on a CPU. The letters are those of the paper."""

    frame: int = 512
    """the number of samples in a frame of the spectrogram"""
    hop: int = 256
    """the number of samples from one frame to the next"""
    bins: int = 8
    """the number of neighbouring bins of the spectrogram that share a vector; in the paper every bin has its own"""
    blocks: int = 2
    """B, the number of blocks, each of which has a path over frequency and one over time"""
    width: int = 32
    """D, the width of the vector of a time and a frequency"""
    hidden: int = 64
    """C, the width inside a feed-forward"""
    kernel: int = 4
    """K, the length of the kernel of the convolutions in a feed-forward"""
    heads: int = 4
    """H, the number of heads of the attention"""
    groups: int = 4
    """G, the number of groups of the norms"""

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if type(value) is not int or value < 1:
                _refuse(item.name, value, "a whole number above zero")
        if self.frame % 2 or self.hop > self.frame // 2:
            _refuse("hop", self.hop, f"at most half a frame, which is an even number: {self.frame}")
        if (self.frame // 2) % self.bins:
            _refuse("bins", self.bins, f"a divisor of half a frame, {self.frame // 2}")
        if self.width % (2 * self.heads):
            _refuse("heads", self.heads, f"so many that each has an even share of the width, {self.width}")
        if self.width % self.groups:
            _refuse("groups", self.groups, f"a divisor of the width, {self.width}")


class Stft(nn.Module):
    """The short-time Fourier transform under Hann's window, and its exact inverse.

    Args:
        frame: The number of samples in a frame.
        hop: The number of samples from one frame to the next, at most half a frame.
    """

    def __init__(self, frame: int, hop: int) -> None:
        super().__init__()
        self.frame = frame
        self.hop = hop
        self.register_buffer("window", torch.hann_window(frame), persistent=False)
        self.window: Tensor

    def forward(self, waveform: Tensor) -> Tensor:
        """Transform ``(batch, samples)`` to ``(batch, frame // 2 + 1, frames)``, complex.

        The first frame is centred at the first sample and the last at the end or, with zeros, up to a hop behind it:
        under the edge of a window alone, the inverse would lose the last samples to rounding. Noise of variance one
        gives coefficients of order one.
        """
        filled = nn.functional.pad(waveform, (0, -waveform.shape[1] % self.hop))
        options = {"pad_mode": "constant", "normalized": True, "return_complex": True}
        return torch.stft(filled, self.frame, self.hop, window=self.window, **options)  # type: ignore[arg-type]

    def inverse(self, spectrum: Tensor, samples: int) -> Tensor:
        """Transform back to ``(batch, samples)``."""
        return torch.istft(spectrum, self.frame, self.hop, window=self.window, normalized=True, length=samples)


class RmsGroupNorm(nn.Module):
    """Divides each group of features by its root mean square, separately at every time and frequency.

    Args:
        width: The number of features.
        groups: The number of groups that the features fall into.
    """

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the vectors ``(..., width)``."""
        grouped = x.reshape(*x.shape[:-1], self.groups, -1)
        return nn.functional.rms_norm(grouped, grouped.shape[-1:], eps=_EPSILON).flatten(-2) * self.weight


class ConvSwiGlu(nn.Module):
    """The feed-forward: a convolution, the second half of which gates the first, and a convolution back to the width.

    The paper's second convolution is a transposed one with a step of one sample, which is a convolution.

    Args:
        settings: The sizes of the network.
    """

    def __init__(self, settings: LocoformerSettings) -> None:
        super().__init__()
        self.norm = RmsGroupNorm(settings.width, settings.groups)
        self.spread = nn.Conv1d(settings.width, 2 * settings.hidden, settings.kernel, padding=settings.kernel - 1)
        self.gather = nn.Conv1d(settings.hidden, settings.width, settings.kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Transform ``(rows, length, width)``."""
        value, gate = self.spread(self.norm(x).transpose(1, 2)).chunk(2, dim=1)
        gathered: Tensor = self.gather(value * nn.functional.silu(gate))
        return gathered.transpose(1, 2)


class RotaryAttention(nn.Module):
    """Self-attention of several heads that knows how far apart two places are.

    Args:
        settings: The sizes of the network.
    """

    def __init__(self, settings: LocoformerSettings) -> None:
        super().__init__()
        self.heads = settings.heads
        self.norm = RmsGroupNorm(settings.width, settings.groups)
        self.into = nn.Linear(settings.width, 3 * settings.width, bias=False)
        self.back = nn.Linear(settings.width, settings.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Attend along the length of ``(rows, length, width)``."""
        heads = self.into(self.norm(x)).reshape(*x.shape[:2], 3, self.heads, -1)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # (rows, heads, length, width / heads) each
        attended = nn.functional.scaled_dot_product_attention(rotated(query), rotated(key), value)
        back: Tensor = self.back(attended.transpose(1, 2).flatten(2))
        return back


def rotated(x: Tensor) -> Tensor:
    """Rotary positions (Su et al., RoFormer): pairs of features turn with the place, each pair at its own speed.

    The product of two vectors that were turned depends on how far apart they stand, not on where.

    Args:
        x: The vectors of a row of places, ``(..., length, width)``, of an even width.
    """
    length, width = x.shape[-2:]
    speeds = _ROTARY_BASE ** (-torch.arange(0, width, 2, device=x.device, dtype=torch.float32) / width)
    angles = torch.outer(torch.arange(length, device=x.device, dtype=torch.float32), speeds)  # (length, width / 2)
    cosines, sines = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosines - second * sines, first * sines + second * cosines], dim=-1)


class Locoformer(nn.Module):
    """Attention along one direction between two feed-forwards that count half, like a macaron.

    Args:
        settings: The sizes of the network.
    """

    def __init__(self, settings: LocoformerSettings) -> None:
        super().__init__()
        self.before = ConvSwiGlu(settings)
        self.attention = RotaryAttention(settings)
        self.after = ConvSwiGlu(settings)

    def forward(self, x: Tensor) -> Tensor:
        """Transform ``(batch, others, length, width)`` along the length."""
        rows = x.flatten(0, 1)
        rows = rows + 0.5 * self.before(rows)
        rows = rows + self.attention(rows)
        rows = rows + 0.5 * self.after(rows)
        onward: Tensor = rows.reshape(x.shape)
        return onward


class TfLocoformer(nn.Module):
    """Takes a sound apart; the parts add up to the sound.

    Two things differ from the paper, whose network gives the spectrograms of the parts themselves. This one gives the
    complex number that each bin of the sound's spectrogram is multiplied with: the spectra of machines fall steeply
    towards high frequencies, and a share is learned as easily for a faint bin as for a loud one. And these masks add up
    to one: what they lack of it is shared equally (Wisdom et al., 2019, mixture consistency), so that a loss that does
    not look at the scale of the parts settles it nevertheless.

    The network hears the sound at a root mean square of one: twice as loud a sound has parts twice as loud.

    Args:
        settings: The sizes of the network.
        parts: The number of parts.
    """

    def __init__(self, settings: LocoformerSettings, parts: int = 2) -> None:
        super().__init__()
        self.settings = settings
        self.parts = parts
        self.stft = Stft(settings.frame, settings.hop)
        over = {"kernel_size": (3, settings.bins + 2), "stride": (1, settings.bins), "padding": (1, 1)}
        left = (settings.frame // 2 + 1) % settings.bins
        self.encoder = nn.Conv2d(2, settings.width, **over)  # type: ignore[arg-type]
        self.norm = nn.GroupNorm(1, settings.width, _EPSILON)
        self.frequency = nn.ModuleList(Locoformer(settings) for _ in range(settings.blocks))
        self.time = nn.ModuleList(Locoformer(settings) for _ in range(settings.blocks))
        self.decoder = nn.ConvTranspose2d(settings.width, 2 * parts, output_padding=(0, left), **over)  # type: ignore[arg-type]
        # Training begins with equal shares: random ones are worse than none, and to unlearn them takes steps that may
        # lead astray.
        for weight in self.decoder.parameters():
            nn.init.zeros_(weight)

    def forward(self, waveform: Tensor) -> Tensor:
        """Take ``(batch, samples)`` apart: ``(batch, parts, samples)``."""
        scale = waveform.square().mean(dim=1, keepdim=True).sqrt()  # (batch, 1)
        spectrum = self.stft(waveform / scale.clamp(min=_SILENCE))  # (batch, bins, frames)
        heard = self.encoder(torch.view_as_real(spectrum).permute(0, 3, 2, 1))  # (batch, width, frames, bands)
        x = self.norm(heard).permute(0, 2, 3, 1)
        for frequency, time in zip(self.frequency, self.time, strict=True):
            x = time(frequency(x).transpose(1, 2)).transpose(1, 2)
        given = self.decoder(x.permute(0, 3, 1, 2)).float()  # (batch, 2 parts, frames, bins)
        pairs = given.reshape(-1, self.parts, 2, *given.shape[2:]).permute(0, 1, 4, 3, 2)
        masks = torch.view_as_complex(pairs.contiguous())  # (batch, parts, bins, frames)
        masks = masks + (1.0 - masks.sum(dim=1, keepdim=True)) / self.parts
        found = self.stft.inverse((masks * spectrum[:, None]).flatten(0, 1), waveform.shape[1])
        return found.reshape(-1, self.parts, waveform.shape[1]) * scale[:, None]


def _refuse(name: str, value: object, valid: str) -> None:
    raise InputError(
        f"The separator cannot have that size: {name}.", got=value, valid=valid, next_step="choose another size"
    )
