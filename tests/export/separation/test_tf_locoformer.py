"""The separation network: an exact transform and back, relative positions, norms by hand, parts that add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from asd_edge.calibration.errors import InputError
from asd_edge.export.separation.tf_locoformer import (
    ConvSwiGlu,
    Locoformer,
    LocoformerSettings,
    RmsGroupNorm,
    RotaryAttention,
    Stft,
    TfLocoformer,
    rotated,
)

TINY = LocoformerSettings(frame=64, hop=32, bins=4, blocks=1, width=8, hidden=6, kernel=3, heads=2, groups=2)


def some_network(size: LocoformerSettings = TINY, parts: int = 2) -> TfLocoformer:
    """As training might leave it: every weight is something."""
    torch.manual_seed(2)
    network = TfLocoformer(size, parts)
    for weight in network.decoder.parameters():
        nn.init.normal_(weight, std=0.1)
    return network


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 700), st.sampled_from([(64, 32), (64, 16), (128, 48)]))
def test_the_transform_and_back_is_exact(samples: int, size: tuple[int, int]) -> None:
    """Of any length: no sample is lost under the edge of the last window."""
    sound = torch.randn(2, samples, generator=torch.Generator().manual_seed(samples))
    transform = Stft(*size)
    back = transform.inverse(transform(sound), samples)
    torch.testing.assert_close(back, sound, rtol=0.0, atol=1e-5)


def test_the_transform_is_that_of_windowed_frames() -> None:
    """The third frame, by NumPy: Hann's window about sample 64, over the root of the frame."""
    sound = torch.randn(1, 320, generator=torch.Generator().manual_seed(0))
    found = Stft(64, 32)(sound)[0, :, 2].numpy()
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(64) / 64)
    expected = np.fft.rfft(sound[0, 32:96].numpy() * hann) / 8.0
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_norm_by_hand() -> None:
    """Two groups of two: (3, 4) over sqrt(12.5), (1, -1) over 1, then the weights."""
    norm = RmsGroupNorm(4, 2)
    norm.weight.data = torch.tensor([1.0, 2.0, 1.0, 10.0])
    found = norm(torch.tensor([[3.0, 4.0, 1.0, -1.0]])).detach().numpy()
    np.testing.assert_allclose(found, [[3.0 / 12.5**0.5, 8.0 / 12.5**0.5, 1.0, -10.0]], rtol=1e-4)


def test_a_quarter_turn_by_hand() -> None:
    """The first pair turns by one radian a position, the second of two by 1/100."""
    x = torch.tensor([[1.0, 1.0, 0.0, 0.0]] * 3)  # the first halves of both pairs, then the second halves
    for place, row in enumerate(rotated(x).numpy()):
        expected = [np.cos(place), np.cos(place / 100.0), np.sin(place), np.sin(place / 100.0)]
        np.testing.assert_allclose(row, expected, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 20))
def test_rotary_products_depend_on_the_distance_alone(query: int, key: int, shift: int) -> None:
    generator = torch.Generator().manual_seed(query)
    one, other = torch.randn(2, 1, 8, generator=generator).double()

    def product(first: int, second: int) -> float:
        turned, met = (rotated(each.expand(80, 8)) for each in (one, other))
        return float(turned[first] @ met[second])

    assert product(query + shift, key + shift) == pytest.approx(product(query, key), abs=1e-5)
    assert torch.allclose(rotated(one.expand(80, 8)).norm(dim=1), one.norm())


def test_attention_by_a_direct_loop() -> None:
    """One head at a time, one query at a time, in doubles."""
    torch.manual_seed(1)
    attention = RotaryAttention(TINY).double()
    x = torch.randn(2, 5, 8).double()
    with torch.no_grad():
        found = attention(x)
        query, key, value = attention.into(attention.norm(x)).chunk(3, dim=2)
        for row in range(2):
            heads = []
            for head in range(2):
                part = slice(4 * head, 4 * head + 4)
                turned, met = rotated(query[row, :, part]), rotated(key[row, :, part])
                weights = torch.stack([torch.softmax(met @ each / 2.0, dim=0) for each in turned])
                heads.append(weights @ value[row, :, part])
            expected = attention.back(torch.cat(heads, dim=1))
            torch.testing.assert_close(found[row], expected)


def test_the_feed_forward_keeps_the_length_and_hears_a_kernel_each_way() -> None:
    """Two convolutions of three: what is changed at one place is heard two places away, and no further."""
    torch.manual_seed(1)
    feed = ConvSwiGlu(TINY)
    x = torch.randn(1, 20, 8)
    changed = x.clone()
    changed[0, 10] += torch.randn(8)
    with torch.no_grad():
        difference = (feed(changed) - feed(x)).abs().amax(dim=2)[0]
    assert feed(x).shape == x.shape
    assert torch.nonzero(difference > 1e-7)[:, 0].tolist() == [8, 9, 10, 11, 12]


def test_the_second_half_of_the_feed_forward_gates_the_first() -> None:
    """Against the formula, with NumPy: gather(value * gate / (1 + e^-gate))."""
    torch.manual_seed(1)
    feed = ConvSwiGlu(TINY)
    x = torch.randn(1, 9, 8)
    with torch.no_grad():
        spread = feed.spread(feed.norm(x).transpose(1, 2)).numpy()
        value, gate = spread[:, :6], spread[:, 6:]
        expected = feed.gather(torch.from_numpy(value * gate / (1.0 + np.exp(-gate)))).transpose(1, 2)
        torch.testing.assert_close(feed(x), expected)


def test_feed_forwards_count_half_and_attention_whole() -> None:
    """x + F1(x) / 2, then + A(x), then + F2(x) / 2: the paper's macaron."""
    torch.manual_seed(1)
    path = Locoformer(TINY)
    x = torch.randn(2, 3, 5, 8)
    with torch.no_grad():
        rows = x.reshape(6, 5, 8)
        rows = rows + path.before(rows) / 2.0
        rows = rows + path.attention(rows)
        rows = rows + path.after(rows) / 2.0
        torch.testing.assert_close(path(x), rows.reshape(2, 3, 5, 8))


def test_every_block_goes_along_frequency_and_then_along_time() -> None:
    """64 samples a frame give 33 bins, 8 bands of 4; 320 samples give 11 frames."""
    network = some_network(replace(TINY, blocks=2))
    went = []
    for name in ("frequency", "time"):
        for number, path in enumerate(network.get_submodule(name).children()):
            path.register_forward_pre_hook(
                lambda _, given, place=f"{name} {number}": went.append((place, tuple(given[0].shape)))
            )
    with torch.no_grad():
        network(torch.randn(2, 320))
    along_frequency, along_time = (2, 11, 8, 8), (2, 8, 11, 8)
    assert went == [
        ("frequency 0", along_frequency),
        ("time 0", along_time),
        ("frequency 1", along_frequency),
        ("time 1", along_time),
    ]


@pytest.mark.parametrize("size", [TINY, replace(TINY, bins=1), replace(TINY, bins=8, hop=16, blocks=2)])
@pytest.mark.parametrize("samples", [320, 333])
def test_parts_add_up_to_the_sound(size: LocoformerSettings, samples: int) -> None:
    network = some_network(size, parts=3)
    sound = torch.randn(2, samples)
    with torch.no_grad():
        parts = network(sound)
    assert parts.shape == (2, 3, samples)
    torch.testing.assert_close(parts.sum(dim=1), sound, rtol=0.0, atol=1e-5)
    assert (parts[:, 0] - parts[:, 1]).abs().max() > 0.01  # not merely a third each


@pytest.mark.parametrize("factor", [1e-4, 0.25, 1e3])
def test_a_louder_sound_has_louder_parts(factor: float) -> None:
    network = some_network()
    sound = torch.randn(2, 320)
    sound[1] *= 0.01  # each sound of a batch has a scale of its own
    with torch.no_grad():
        torch.testing.assert_close(network(factor * sound) / factor, network(sound), rtol=1e-3, atol=1e-6)


def test_silence_stays_silent() -> None:
    with torch.no_grad():
        assert not some_network()(torch.zeros(1, 320)).any()


def test_training_begins_with_equal_shares() -> None:
    sound = torch.randn(2, 320)
    with torch.no_grad():
        parts = TfLocoformer(TINY)(sound)
    torch.testing.assert_close(parts, torch.stack([sound, sound], dim=1) / 2.0, rtol=0.0, atol=1e-5)


def test_every_weight_learns() -> None:
    network = some_network()
    sound = torch.randn(2, 320)
    network(sound)[:, 0].square().mean().backward()
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in network.parameters())


@pytest.mark.parametrize(
    "wrong",
    [{"blocks": 0}, {"hop": 33}, {"frame": 63}, {"bins": 5}, {"heads": 3}, {"heads": 8}, {"groups": 3}, {"width": 8.0}],
    ids=str,
)
def test_sizes_that_cannot_be(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="cannot have that size"):
        replace(TINY, **wrong)
