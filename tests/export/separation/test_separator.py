"""A separator: its loss by hand, training that is repeatable and goes on, its file, and clips longer than a piece."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from asd_edge.calibration.atomic_files import file_sha256
from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.export.separation.mixtures import Mixtures, Source, Sources
from asd_edge.export.separation.separator import SIZES, Separator, load_separator, save_separator
from asd_edge.export.separation.settings import SIZES as SIZE_NAMES
from asd_edge.export.separation.settings import SeparatorSettings
from asd_edge.export.separation.tf_locoformer import LocoformerSettings, TfLocoformer
from asd_edge.export.separation.training import SeparatorTraining, separator_job, si_sdr
from asd_edge.export.training.job import train

TINY = LocoformerSettings(frame=128, hop=64, bins=8, blocks=1, width=8, hidden=8, kernel=3, heads=2, groups=2)
HOW = SeparatorSettings(
    data=Path("unread"),
    output=Path("unwritten"),
    mixtures=8,
    segment_s=1.0,
    snr_min_db=-5.0,
    snr_max_db=5.0,
    epochs=3,
    batch=4,
    learning_rate=3e-3,
    weight_decay=0.0,
    warmup_steps=None,
    accelerator="cpu",
)


@pytest.mark.parametrize("scale", [0.1, 1.0, -7.0])
def test_si_sdr_by_hand(scale: float) -> None:
    """An orthogonal error with a hundredth of the target's energy is 20 dB, however loud the estimate, or turned."""
    target = torch.tensor([1.0, 2.0, 2.0, 0.0])  # energy 9
    error = torch.tensor([0.2, -0.2, 0.1, 0.0])  # orthogonal, energy 0.09
    assert si_sdr(scale * (target + error), target).item() == pytest.approx(20.0, abs=1e-4)


def test_si_sdr_takes_the_share_of_the_target_that_is_in_the_error() -> None:
    """With e = s + s / 2 + n the target counts one and a half times: 20 dB and 10 log10(2.25) more."""
    target, error = torch.tensor([3.0, 4.0, 0.0]), torch.tensor([0.0, 0.0, 0.5])
    assert si_sdr(1.5 * target + error, target).item() == pytest.approx(20.0 + 10.0 * np.log10(2.25), abs=1e-4)


def test_si_sdr_of_silence_is_a_number_with_a_gradient() -> None:
    estimate = torch.ones(2, 5, requires_grad=True)
    ratios = si_sdr(estimate, torch.tensor([[0.0] * 5, [1.0] * 5]))
    ratios.sum().backward()
    assert bool(ratios.isfinite().all())
    assert estimate.grad is not None
    assert bool(estimate.grad.isfinite().all())


def test_the_loss_is_the_mean_over_both_parts() -> None:
    torch.manual_seed(0)
    module = SeparatorTraining(TINY).eval()
    parts = torch.randn(3, 2, 16_000)
    with torch.no_grad():
        losses = module(parts.sum(dim=1), parts)
        expected = -si_sdr(module.network(parts.sum(dim=1)), parts).mean(dim=0)
    assert losses["foreground"].item() == pytest.approx(expected[0].item(), abs=1e-5)
    assert losses["background"].item() == pytest.approx(expected[1].item(), abs=1e-5)
    assert losses["loss"].item() == pytest.approx(expected.mean().item(), abs=1e-5)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Hums below 1 kHz, and noise above 4 kHz: a filter separates them."""
    folder = tmp_path_factory.mktemp("sound")
    rng = np.random.default_rng(0)
    t = np.arange(24_000) / 16_000.0
    kinds: list[list[Source]] = [[], []]
    for index in range(3):
        hum = np.sin(2.0 * np.pi * (300.0 + 150.0 * index) * t)
        noise = np.diff(np.diff(np.diff(rng.standard_normal(24_003))))
        for kind, sound in zip(kinds, (hum, noise), strict=True):
            path = folder / f"{'hum' if kind is kinds[0] else 'noise'}{index}.wav"
            soundfile.write(path, 0.2 * sound / np.abs(sound).max(), 16_000)
            kind.append(Source(path, file_sha256(path)))
    return Sources(tuple(kinds[0]), tuple(kinds[1]))


def trained(sources: Sources, output: Path, **options: Any) -> Separator:
    how = replace(HOW, output=output, **options)
    train(how, [separator_job(how, sources, TINY)])
    return load_separator(output)


def test_what_a_filter_could_do_is_learned(tmp_path: Path, sources: Sources) -> None:
    separator = trained(sources, tmp_path / "separator.pt", epochs=12, learning_rate=1e-2)
    mixture, parts = (each[0] for each in Mixtures(sources, replace(HOW, seed=99))[np.array([0])])
    before = si_sdr(mixture, parts)
    after = si_sdr(torch.from_numpy(separator.separate(mixture.numpy())), parts)
    assert bool((after > before + 5.0).all()), (before, after)


def test_the_same_seed_gives_the_same_bits_also_after_a_stop(
    tmp_path: Path, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(sources, tmp_path / "whole.pt")
    read = Mixtures.__getitem__
    calls = []

    def interrupted(table: Mixtures, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(rows)
        if len(calls) == 4:  # in the middle of the second epoch
            raise KeyboardInterrupt
        return read(table, rows)

    monkeypatch.setattr(Mixtures, "__getitem__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(sources, tmp_path / "stopped.pt")
    assert not (tmp_path / "stopped.pt").exists()
    with pytest.raises(InputError, match="a run in this folder already"):
        trained(sources, tmp_path / "stopped.pt")
    trained(sources, tmp_path / "stopped.pt", resume=True)
    whole, stopped = (torch.load(tmp_path / name) for name in ("whole.pt", "stopped.pt"))
    assert whole.pop("origin") == stopped.pop("origin")
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)
    other = trained(sources, tmp_path / "other.pt", seed=1).network.state_dict()
    assert not all(torch.equal(whole[name], other[name]) for name in whole)


def test_what_was_trained_comes_back_from_the_file(tmp_path: Path, sources: Sources) -> None:
    path = tmp_path / "separator.pt"
    separator = trained(sources, path, epochs=1)
    loaded = load_separator(path)
    assert (loaded.samples, loaded.network.settings) == (16_000, TINY)
    sound = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    np.testing.assert_array_equal(loaded.separate(sound), separator.separate(sound))


class Halves(torch.nn.Module):
    """A network that takes the same share of every sample, and counts the pieces that it sees at once."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = torch.nn.Parameter(torch.tensor(share))
        self.pieces: list[int] = []

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        self.pieces.append(len(waveform))
        return torch.stack([self.share * waveform, (1.0 - self.share) * waveform], dim=1)


@pytest.mark.parametrize("samples", [100, 500, 1_000, 1_001, 7_777, 40_000])
def test_pieces_of_a_long_clip_are_put_together(samples: int) -> None:
    """A network that does the same to every sample does the same to the clip, and sees but a few pieces at once."""
    network = Halves(0.3)
    sound = np.random.default_rng(0).standard_normal(samples).astype(np.float32)
    parts = Separator(network, 1_000).separate(sound)  # type: ignore[arg-type]
    np.testing.assert_allclose(parts, np.stack([0.3 * sound, 0.7 * sound]), atol=1e-5)
    assert max(network.pieces) <= 8


class Numbers(torch.nn.Module):
    """A network that calls every sample of a piece by the number of the piece."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(()))

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        numbers = torch.arange(len(waveform))[:, None].expand_as(waveform).float()
        return torch.stack([numbers, waveform - numbers], dim=1)


def test_pieces_are_faded_into_each_other_by_the_square_of_a_sine() -> None:
    """Pieces of 1000 begin at 0 and 500: between, the second grows from nothing to all as half a cosine."""
    parts = Separator(Numbers(), 1_000).separate(np.zeros(1_500, np.float32))  # type: ignore[arg-type]
    growing = 0.5 - 0.5 * np.cos(np.pi * (np.arange(500) + 0.5) / 500.0)
    np.testing.assert_allclose(parts[0], np.concatenate([np.zeros(500), growing, np.ones(500)]), atol=1e-5)


def test_the_papers_size_is_its_smallest() -> None:
    """TF-Locoformer (S): D = 96, B = 4, C = 128, K = 8, H = 4, G = 4; 32 ms every 8 ms."""
    assert SIZES["paper"] == LocoformerSettings(
        frame=512, hop=128, bins=1, blocks=4, width=96, hidden=128, kernel=8, heads=4, groups=4
    )


def test_parts_of_a_long_clip_add_up_to_it() -> None:
    torch.manual_seed(0)
    network = TfLocoformer(TINY)
    for weight in network.decoder.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    sound = np.random.default_rng(0).standard_normal(7_777).astype(np.float32)
    parts = Separator(network, 2_000).separate(sound)
    np.testing.assert_allclose(parts.sum(axis=0), sound, atol=1e-5)
    assert np.abs(parts[0] - parts[1]).max() > 0.01


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "separator.pt"
    network = TfLocoformer(TINY)
    save_separator(path, network, TINY, 16_000)
    whole = torch.load(path)
    origin = whole["origin"]
    assert origin == {"system": "separator", "size": asdict(TINY), "samples": 16_000}
    for wrong in (
        {**whole, "origin": None},
        {**whole, "origin": {**origin, "system": "beats-asp"}},
        {**whole, "origin": {**origin, "samples": 5}},
        {**whole, "origin": {**origin, "size": {**asdict(TINY), "blocks": 0}}},
        {**whole, "origin": {**origin, "size": {"layers": 3}}},
        {name: weight for name, weight in whole.items() if name != "origin"},
    ):
        torch.save(wrong, path)
        with pytest.raises(ModelError, match="not a trained separator") as raised:
            load_separator(path)
        assert "asd-edge train separator" in raised.value.next_step
    torch.save({**whole, "origin": {**origin, "size": {**asdict(TINY), "blocks": 2}}}, path)
    with pytest.raises(ModelError, match="lacks a weight"):
        load_separator(path)
    torch.save({**whole, "encoder.bias": torch.full((8,), torch.nan)}, path)
    with pytest.raises(ModelError, match="damaged: encoder"):
        load_separator(path)
    path.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="not a trained separator"):
        load_separator(path)


def test_an_output_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path, sources: Sources) -> None:
    with pytest.raises(InputError, match="is a folder"):
        trained(sources, tmp_path)
    with pytest.raises(InputError, match="Cannot write"):
        trained(sources, tmp_path / "missing" / "separator.pt")
    assert list(tmp_path.iterdir()) == []


def test_warmup_clipping_and_weight_decay_are_those_of_the_authors_program() -> None:
    """The program of TF-Locoformer: 4000 steps of warm-up, a norm of 5, AdamW at 0.001 with a weight decay of 0.01."""
    chosen = SeparatorSettings(data=Path("unread"), output=Path("unwritten"))
    assert (chosen.warmup_steps, chosen.clip_norm) == (4000, 5.0)
    assert (chosen.learning_rate, chosen.weight_decay) == (1e-3, 1e-2)


def test_sizes_have_names() -> None:
    assert tuple(SIZES) == SIZE_NAMES
    with pytest.raises(InputError, match="no such size") as raised:
        replace(HOW, size="huge")
    assert raised.value.valid == "small, paper"
