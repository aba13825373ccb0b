"""The discriminative system: its channels and losses worked by hand, and the whole road from clips to a model."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from dcase_clips import TOLD_CLIPS, write_machine
from tiny_beats import write_tiny_beats

from asd_edge.calibration.atomic_files import file_sha256
from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.export.beats.encoder import TimeInterpolation, load_beats
from asd_edge.export.beats.fine_tuning import UNFREEZE, load_trainable
from asd_edge.export.layers.mmd import squared_mmd, squared_mmd_of_pairs
from asd_edge.export.layers.slaney import SlaneyLogMel
from asd_edge.export.systems.mm_discriminative import MmDiscriminativeLosses, MmDiscriminativeSettings
from asd_edge.export.systems.mm_discriminative.model import (
    MmDiscriminative,
    build_mm_discriminative,
    load_mm_discriminative,
)
from asd_edge.export.systems.mm_discriminative.training import MmDiscriminativeTraining
from asd_edge.export.training.class_tasks import Tasks
from asd_edge.export.training.job import train
from asd_edge.export.training.run_folder import RunFolder
from asd_edge.runtime import Model

SAMPLES = 8_000
LOOP: dict[str, Any] = {"epochs": 2, "batch": 6, "accumulate": 1, "weight_decay": 0.0, "window_s": 0.5}


def train_on(data: Path, checkpoint: Path, output: Path, **options: Any) -> list[Path]:
    how = {"checkpoint": checkpoint, "output": output, **LOOP, **options}
    return train(MmDiscriminativeSettings(data=data, **how))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_tiny_beats(tmp_path / "tiny.pt", encoder_layers=4)


def multimodal(checkpoint: Path) -> MmDiscriminative:
    torch.manual_seed(0)
    return MmDiscriminative(load_trainable(checkpoint, "last4", SAMPLES))


def test_the_channels_are_beats_tgram_and_the_spectrogram(checkpoint: Path) -> None:
    """Of two windows, each channel less its mean and over its deviation, as batch normalisation does it in training."""
    model = multimodal(checkpoint)
    waveform = torch.from_numpy(np.random.default_rng(0).normal(0.0, 0.1, (2, SAMPLES)).astype(np.float32))
    with torch.no_grad():
        found = model.modalities(waveform).numpy()
        patches = load_beats(checkpoint, samples=SAMPLES)(waveform).numpy()  # (2, 3 x 8, 24)
        frames = np.stack([patches[:, 8 * t : 8 * t + 8].mean(axis=1) for t in range(3)], axis=1)
        projected = frames @ model.project.weight.numpy().T + model.project.bias.numpy()
        encoder = load_beats(checkpoint, samples=SAMPLES)
        beats = TimeInterpolation(encoder, 16)(torch.from_numpy(projected.transpose(0, 2, 1))).numpy()
        others = [model.tgram(waveform).numpy(), SlaneyLogMel()(waveform).numpy()]
    assert found.shape == (2, 3, 128, 16)
    for place, channel in enumerate([beats, *others]):
        expected = (channel - channel.mean()) / math.sqrt(channel.var() + 1e-5)
        np.testing.assert_allclose(found[:, place], expected, atol=1e-4)


def test_the_losses_are_equations_1_to_3_and_the_alignment(checkpoint: Path) -> None:
    """Against loops over samples and tasks; a clip's domain may not be told."""
    settings = MmDiscriminativeLosses(
        attribute_weight=0.2, domain_weight=0.3, alignment_weight=0.4, domain_alignment_weight=0.6
    )
    tasks = Tasks.of(TOLD_CLIPS, settings.attribute_weight)
    module = MmDiscriminativeTraining(multimodal(checkpoint), tasks, True, settings)
    generator = torch.Generator().manual_seed(1)
    embedding = torch.randn(7, 256, generator=generator)
    modalities = torch.randn(7, 3, 128, 5, generator=generator)
    domains = np.array([0, 0, 1, -1, 0, 1, 0])
    labels = np.column_stack([tasks.labels(TOLD_CLIPS), domains])
    with torch.no_grad():
        found = {
            name: loss.item() for name, loss in module.losses(embedding, modalities, torch.from_numpy(labels)).items()
        }
    state = {name: weight.double().numpy() for name, weight in module.state_dict().items()}
    e = embedding.double().numpy()

    def cross_entropy(logits: np.ndarray, label: int) -> float:
        return 0.0 if label < 0 else float(np.log(np.exp(logits - logits[label]).sum()))

    def identity(sample: int) -> float:
        c = state["identity.weight"]
        cosines = c @ e[sample] / np.linalg.norm(c, axis=1) / np.linalg.norm(e[sample])
        label = labels[sample, 0]
        angles = np.arccos(cosines) + 0.5 * (np.arange(3) == label)
        return cross_entropy(30.0 * np.cos(angles), label)

    def linear(name: str, sample: int, label: int) -> float:
        return cross_entropy(state[f"{name}.weight"] @ e[sample] + state[f"{name}.bias"], label)

    attributes = [
        weight * linear(f"attributes.{task}", sample, labels[sample, 1 + task])
        for task, weight in ((0, 0.2), (1, 0.1), (2, 0.1))
        for sample in range(7)
    ]
    beats, tgram, spectrogram = modalities.mean(dim=3).unbind(dim=1)
    expected = {
        "identity": sum(identity(sample) for sample in range(7)) / 7,
        "attributes": sum(attributes) / 7,
        "domain": 0.3 * sum(linear("domain", sample, domains[sample]) for sample in range(7)) / 7,
        "alignment": 0.4
        * 0.5
        * (squared_mmd_of_pairs(beats, spectrogram) + squared_mmd_of_pairs(tgram, spectrogram)).item(),
        "domain alignment": 0.6 * squared_mmd(embedding[[0, 1, 4, 6]], embedding[[2, 5]]).item(),
    }
    assert found == pytest.approx({"loss": sum(expected.values()), **expected}, rel=1e-4)


def test_one_target_window_is_too_few_to_align_domains(checkpoint: Path) -> None:
    tasks = Tasks.of(TOLD_CLIPS, 0.2)
    module = MmDiscriminativeTraining(
        multimodal(checkpoint), tasks, True, MmDiscriminativeLosses(domain_alignment_weight=1.0)
    )
    labels = np.column_stack([tasks.labels(TOLD_CLIPS), np.array([0, 0, 0, -1, 0, 1, 0])])
    embedding = torch.randn(7, 256, requires_grad=True)
    losses = module.losses(embedding, torch.randn(7, 3, 128, 5), torch.from_numpy(labels))
    assert losses["domain alignment"].item() == 0.0
    losses["loss"].backward()
    assert embedding.grad is not None
    assert bool(embedding.grad.isfinite().all())


def test_what_the_clips_do_not_tell_is_not_classified(checkpoint: Path) -> None:
    tasks = Tasks.of(TOLD_CLIPS[:3], 0.2)  # the pump's one speed never changes
    module = MmDiscriminativeTraining(multimodal(checkpoint), tasks, False, MmDiscriminativeLosses())
    losses = module.losses(
        torch.randn(3, 256), torch.randn(3, 3, 128, 5), torch.from_numpy(tasks.labels(TOLD_CLIPS[:3]))
    )
    assert list(losses) == ["loss", "identity", "alignment"]
    assert [name for name, loss in losses.items() if loss.requires_grad] == ["loss"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_machine(tmp_path / "data", "fan", 300.0, clips=6)
    write_machine(tmp_path / "data", "pump", 500.0, clips=6, attributes=("speed_1", "speed_2"))
    return tmp_path / "data"


@pytest.mark.long
def test_the_whole_road(
    run: Callable[..., Any],
    run_main: Callable[..., Any],
    tmp_path: Path,
    data: Path,
    checkpoint: Path,
    machine_wav: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Clips, training, export, and the device, which gives what PyTorch gives and scores by the model's own scorer."""
    weights, path, bank = tmp_path / "mm.pt", tmp_path / "mm.onnx", tmp_path / "bank.npz"
    caplog.set_level("INFO")
    assert train_on(data, checkpoint, weights, unfreeze="all") == [weights]
    assert torch.load(weights)["origin"]["checkpoint_sha256"] == file_sha256(checkpoint)
    assert caplog.messages[-1] == (
        "mm-discriminative, BEATs all: 24 windows of 12 clips, 2 machine types; attributes: pump speed (2); "
        "both domains"
    )
    history = torch.load(tmp_path / "mm.run" / "checkpoint.pt")["history"]
    assert list(history[0]) == ["loss", "identity", "attributes", "domain", "alignment"]
    done = run("export", "mm-discriminative", "--weights", weights, "--checkpoint", checkpoint, "--output", path)
    assert done.returncode == 0, done.stderr
    assert f"{path}: mm-discriminative-all, 0.5 s window, 256 dimensions, fp32 for cpu" in done.stdout
    assert any(node.op_type == "Attention" for node in onnx.load(path).graph.node)
    waveform = np.random.default_rng(0).normal(0.0, 0.1, (1, SAMPLES)).astype(np.float32)
    trained, _ = load_mm_discriminative(weights, checkpoint)
    with torch.no_grad():
        expected = trained(torch.from_numpy(waveform))[0].numpy()
    model = Model(path, threads=1)
    np.testing.assert_allclose(model.embed(waveform[0]).embedding, expected, rtol=1e-3, atol=1e-3)
    enrolled = run_main("enroll", "--bank", bank, "--model", path, "--input", machine_wav, "--hop", 2)
    assert enrolled.returncode == 0, enrolled.stderr
    assert "gmm" in run_main("info", bank).stdout
    scored = run_main("score", machine_wav, "--bank", bank, "--model", path, "--hop", 10, "--json")
    scores = [json.loads(line)["score"] for line in scored.stdout.splitlines()]
    assert len(scores) == 12
    assert all(math.isfinite(score) for score in scores)


def test_all_of_beats_warms_up_and_is_clipped_unless_told_otherwise() -> None:
    def loop_of(**options: Any) -> tuple[int | None, float | None]:
        chosen = MmDiscriminativeSettings(data=Path(), output=Path("mm.pt"), checkpoint=Path("beats.pt"), **options)
        return chosen.warmup_steps, chosen.clip_norm

    assert loop_of() == (None, None)
    assert loop_of(unfreeze="all") == (4000, 5.0)
    assert loop_of(unfreeze="all", warmup_steps=0, clip_norm=1.0) == (0, 1.0)


def test_only_what_is_trained_is_written(checkpoint: Path) -> None:
    """The rest of BEATs comes from the checkpoint, front ends and interpolation from nothing."""
    kept = {
        unfreeze: MmDiscriminative(load_trainable(checkpoint, unfreeze, SAMPLES)).learned() for unfreeze in UNFREEZE
    }
    parts = [{".".join(name.split(".")[:2]) for name in kept[unfreeze]} for unfreeze in UNFREEZE]
    fresh = {"project.weight", "project.bias", "tgram.filters", "tgram.blocks", "backbone.features", "backbone.embed"}
    fresh |= {"normalise.running_mean", "normalise.running_var"}
    assert parts == [fresh | {"encoder.encoder"}, fresh | {"encoder.encoder", "encoder.table"}]
    more = {name.removeprefix("encoder.encoder.").split(".")[0] for name in kept["all"].keys() - kept["last4"].keys()}
    assert more == {"embed_norm", "embed", "project", "norm", "encoder"}


def test_beats_learns_slower_and_the_frozen_part_not_at_all(tmp_path: Path, data: Path, checkpoint: Path) -> None:
    """One step of Adam moves every weight by its learning rate, whatever the gradient."""
    torch.manual_seed(0)
    before = MmDiscriminativeTraining(
        MmDiscriminative(load_trainable(checkpoint, "last4", SAMPLES)),
        Tasks.of(TOLD_CLIPS[:4], 0.2),
        True,
        MmDiscriminativeLosses(),
    ).state_dict()
    train_on(data, checkpoint, tmp_path / "mm.pt", encoder_rate=0.1, epochs=1, batch=24, falling=False)
    after = torch.load(tmp_path / "mm.run" / "checkpoint.pt")["model"]
    moved = {name: float((after[name] - before[name]).abs().max()) for name in after if name in before}
    assert moved["model.project.weight"] == pytest.approx(1e-3, rel=0.01)
    assert moved["model.encoder.encoder.layers.0.query.weight"] == pytest.approx(1e-4, rel=0.01)
    assert moved["model.encoder.encoder.embed.weight"] == 0.0


def test_a_stopped_run_ends_with_the_same_bits(
    tmp_path: Path, data: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole.pt", tmp_path / "stopped.pt"
    train_on(data, checkpoint, whole, unfreeze="all")

    keep = RunFolder.keep

    def keep_and_stop(self: RunFolder, state: dict[str, Any]) -> None:
        keep(self, state)
        raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "keep", keep_and_stop)
    with pytest.raises(KeyboardInterrupt):
        train_on(data, checkpoint, stopped, unfreeze="all")
    monkeypatch.undo()
    assert not stopped.exists()
    assert len(torch.load(tmp_path / "stopped.run" / "checkpoint.pt")["history"]) == 1
    train_on(data, checkpoint, stopped, unfreeze="all", resume=True)
    first, second = torch.load(whole), torch.load(stopped)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first if name != "origin")
    with pytest.raises(InputError, match="made of something else"):
        train_on(data, checkpoint, stopped, unfreeze="last4", resume=True)


@pytest.fixture
def weights(tmp_path: Path, checkpoint: Path) -> Path:
    """As training writes them, but untrained."""
    origin = {"unfreeze": "last4", "samples": SAMPLES, "checkpoint_sha256": file_sha256(checkpoint)}
    torch.save({**multimodal(checkpoint).learned(), "origin": origin}, tmp_path / "mm.pt")
    return tmp_path / "mm.pt"


def test_weights_that_cannot_be_used(tmp_path: Path, checkpoint: Path, weights: Path) -> None:
    other = write_tiny_beats(tmp_path / "other.pt", encoder_layers=4, max_distance=50)
    with pytest.raises(ModelError, match="trained from another checkpoint") as raised:
        build_mm_discriminative(weights, other)
    assert raised.value.got == f"a checkpoint with SHA-256 {file_sha256(other)}"
    with pytest.raises(ModelError, match=r"There is no file none\.pt"):
        build_mm_discriminative(weights, tmp_path / "none.pt")
    with pytest.raises(InputError, match="no graph for this target"):
        build_mm_discriminative(weights, checkpoint, "tpu")
    whole = torch.load(weights)
    torch.save({name: weight for name, weight in whole.items() if name != "project.weight"}, weights)
    with pytest.raises(ModelError, match=r"lacks a weight: project\.weight"):
        build_mm_discriminative(weights, checkpoint)
    for origin in (None, {"unfreeze": "none", "samples": 1, "checkpoint_sha256": ""}, {"unfreeze": "all"}):
        torch.save({**whole, "origin": origin}, weights)
        with pytest.raises(ModelError, match="does not say where its weights come from"):
            build_mm_discriminative(weights, checkpoint)


def test_what_cannot_be_trained(run_main: Callable[..., Any], tmp_path: Path, data: Path, checkpoint: Path) -> None:
    output = tmp_path / "mm.pt"
    with pytest.raises(InputError, match="window is shorter than a patch"):
        train_on(data, checkpoint, output, window_s=0.1)
    with pytest.raises(InputError, match="too few samples for each step"):
        train_on(data, checkpoint, output, batch=2, accumulate=4)
    with pytest.raises(ModelError, match="fewer than 4 layers"):
        train_on(data, write_tiny_beats(tmp_path / "three.pt"), output)
    given = ("--data", data, "--checkpoint", checkpoint, "--output", output, "--unfreeze", "last6")
    done = run_main("train", "mm-discriminative", *given)
    assert done.returncode == 1
    assert done.stderr.startswith("asd-edge: BEATs cannot be unfrozen like that.\n  got:   last6\n")
    assert "next:  try --unfreeze last4" in done.stderr
    assert not (tmp_path / "mm.run").exists()


def test_one_machine_and_clips_without_domains(
    tmp_path: Path, checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_machine(tmp_path / "data", "fan", 300.0)
    with pytest.raises(InputError, match="no two machine types"):
        train_on(tmp_path / "data", checkpoint, tmp_path / "mm.pt")
    write_machine(tmp_path / "data", "pump", 500.0)
    for path in sorted((tmp_path / "data").glob("*/train/*_target_*")):
        path.unlink()
    caplog.set_level("INFO")
    train_on(tmp_path / "data", checkpoint, tmp_path / "mm.pt")
    assert caplog.messages[-1].endswith("no two domains, so that no domain is classified")
    assert "domain" not in torch.load(tmp_path / "mm.run" / "checkpoint.pt")["history"][0]
