"""Training attentive pooling: losses worked by hand, and the whole road from clips to a model."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dcase_clips import TOLD_CLIPS, write_machine
from tiny_beats import write_tiny_beats

from asd_edge.calibration.errors import ModelError
from asd_edge.export.beats.embedder import build_beats
from asd_edge.export.onnx_file import export_model
from asd_edge.export.systems.beats_asp import AspLosses, AspSettings, AspTypeSettings
from asd_edge.export.systems.beats_asp.training import AspTraining
from asd_edge.export.training.class_tasks import Tasks
from asd_edge.export.training.job import train
from asd_edge.runtime import Model

LOOP: dict[str, Any] = {
    "window_s": 0.5,
    "batch": 8,
    "learning_rate": 1e-2,
    "weight_decay": 0.0,
    "falling": False,
}


def test_the_loss_is_equations_6_to_9() -> None:
    """Against loops over samples and tasks, with the angle itself."""
    torch.manual_seed(0)
    settings = AspLosses(attention=4, projection=16, type_weight=0.7)
    tasks = Tasks.of(TOLD_CLIPS, settings.weight)
    module = AspTraining(6, tasks, settings).double()
    features = torch.randn(7, 5, 6, dtype=torch.float64)
    labels = tasks.labels(TOLD_CLIPS)

    pooled = module.pooling(features)[0].detach().numpy()
    projected = pooled @ module.project.weight.detach().numpy().T
    normed = (projected - projected.mean(axis=0)) / np.sqrt(projected.var(axis=0) + 1e-5)  # (6), a fresh BN
    e = np.maximum(normed, 0.0)

    def loss(task: int, sample: int) -> float:
        c = next(parameter.detach().numpy() for parameter in module.tasks[task].parameters())
        theta = [math.acos(float(e[sample] @ each / np.linalg.norm(e[sample]) / np.linalg.norm(each))) for each in c]
        y = labels[sample, task]
        logits = [30.0 * math.cos(theta[j] + 0.5 * (j == y)) for j in range(len(c))]
        return math.log(sum(math.exp(logit) for logit in logits)) - logits[y]

    main = sum(loss(0, sample) for sample in range(7)) / 7
    attributes = (
        sum(
            gamma * loss(task, sample)
            for task, gamma, samples in ((1, 0.2, (2, 3)), (2, 0.1, (4, 5, 6)), (3, 0.1, (4, 5, 6)))
            for sample in samples
        )
        / 7
    )

    # The module computes in single precision from here on.
    with torch.no_grad():
        found = module.float()(features.float(), torch.from_numpy(labels))
    assert found["loss"].item() == pytest.approx(0.7 * main + attributes, rel=1e-4)
    assert found["type"].item() == pytest.approx(0.7 * main, rel=1e-4)
    assert found["attributes"].item() == pytest.approx(attributes, rel=1e-4)


def test_sizes_and_weights_are_the_papers() -> None:
    """[ASP], section 2: d_a = 128, E = 512, s = 30, m = 0.5, beta = 1 and gamma = 0.2 / K; BEATs gives 768 features."""
    settings = AspLosses()
    tasks = Tasks.of(TOLD_CLIPS, settings.weight)
    module = AspTraining(768, tasks, settings)
    sizes = {name: tuple(weight.shape) for name, weight in module.named_parameters()}
    assert sizes["pooling.W_a"] == (128, 768)
    assert sizes["pooling.v_a"] == (128,)
    assert sizes["project.weight"] == (512, 1536)
    assert [sizes[f"tasks.{task}.weight"] for task in range(4)] == [(3, 512), (2, 512), (2, 512), (3, 512)]
    assert {(task.scale, task.margin) for task in module.tasks} == {(30.0, 0.5)}
    assert module.weights == [1.0, 0.2, 0.1, 0.1]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_machine(tmp_path / "data", "fan", 300.0, clips=6)
    write_machine(tmp_path / "data", "pump", 500.0, clips=6, attributes=("speed_1", "speed_2"))
    write_machine(tmp_path / "data", "valve", 900.0, clips=6, attributes=("load_a_pos_x", "load_b_pos_y"))
    return tmp_path / "data"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_tiny_beats(tmp_path / "tiny.pt")


@pytest.mark.parametrize("attributes", [True, False])
def test_the_whole_road(
    tmp_path: Path, data: Path, checkpoint: Path, attributes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Clips, features, training, export, and the device: the model says which system it is."""
    head, model = tmp_path / "asp.pt", tmp_path / "asp.onnx"
    kind = AspSettings if attributes else AspTypeSettings
    caplog.set_level("INFO")
    assert train(kind(data=data, checkpoint=checkpoint, output=head, layers=2, epochs=4, **LOOP)) == [head]
    tasks = "pump speed (2), valve load (2), valve pos (2)"
    assert (tasks in caplog.messages[-1]) == attributes
    history = torch.load(tmp_path / "asp.run" / "checkpoint.pt")["history"]
    assert history[-1]["loss"] < history[0]["loss"]
    module, info = build_beats(checkpoint, "asp", head, layers=2, window_s=0.5)
    export_model(module, info, model)
    loaded = Model(model, threads=1)
    assert loaded.info.recipe == ("beats-asp" if attributes else "beats-asp-type")
    assert loaded.embed(np.zeros(8_000, np.float32)).embedding.shape == (48,)
    with pytest.raises(ModelError, match="another number of layers"):
        build_beats(checkpoint, "asp", head, layers=3, window_s=0.5)
    other = write_tiny_beats(tmp_path / "other.pt", max_distance=50)
    with pytest.raises(ModelError, match="another checkpoint"):
        build_beats(other, "asp", head, layers=2, window_s=0.5)


def test_a_killed_run_ends_as_if_it_had_not_been(tmp_path: Path, data: Path, checkpoint: Path) -> None:
    """Killed with SIGKILL somewhere in the middle, then resumed: the same head to the bit."""
    killed, whole = tmp_path / "killed.pt", tmp_path / "whole.pt"
    script = (
        "import sys, torch\n"
        "from asd_edge.export.systems.beats_asp import AspSettings\n"
        "from asd_edge.export.training.job import train\n"
        "torch.set_num_threads(int(sys.argv[4]))\n"
        f"train(AspSettings(data=sys.argv[1], checkpoint=sys.argv[2], output=sys.argv[3], epochs=60, **{LOOP}))\n"
    )
    command = [sys.executable, "-c", script, str(data), str(checkpoint), str(killed), str(torch.get_num_threads())]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    kept = tmp_path / "killed.run" / "checkpoint.pt"
    deadline = time.monotonic() + 60.0
    while not kept.exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert not killed.exists()
    assert len(torch.load(kept)["history"]) < 60
    same = {"data": data, "checkpoint": checkpoint, "epochs": 60, **LOOP}
    train(AspSettings(output=killed, resume=True, **same))
    train(AspSettings(output=whole, **same))
    first, second = torch.load(killed), torch.load(whole)
    assert all(torch.equal(first[name], second[name]) for name in ("W_a", "v_a"))
    assert first["origin"] == second["origin"]
