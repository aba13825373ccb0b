"""The trainer on a straight line: repeatable, stopped at any moment, and gone on with as if nothing had been."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import lightning_fabric
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.export.training.run_folder import RunFolder
from asd_edge.export.training.settings import LoopSettings
from asd_edge.export.training.trainer import MixedPrecision, computer, train

SETTINGS = LoopSettings(epochs=6, batch=8, learning_rate=0.05, weight_decay=0.01, falling=True, seed=3)


class Line(nn.Module):
    """y = w x + b, behind dropout, which draws random numbers in every step."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.2)
        self.line = nn.Linear(3, 1)

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        error = (self.line(self.dropout(x))[:, 0] - y).square().mean()
        return {"loss": error, "half": 0.5 * error}


class Points:
    """Points near y = x_1 - 2 x_2 + 3. After so many batches, reading fails or gives what is no number."""

    def __init__(self, points: int = 37, fail_after: int = 10**9, spoil_after: int = 10**9) -> None:
        rng = np.random.default_rng(0)
        self.x = rng.standard_normal((points, 3)).astype(np.float32)
        self.y = (self.x @ [1.0, -2.0, 0.0] + 3.0).astype(np.float32)
        self.fail_after, self.spoil_after = fail_after, spoil_after
        self.read: list[NDArray[np.int64]] = []

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        if len(self.read) >= self.fail_after:
            raise KeyboardInterrupt
        self.read.append(rows)
        y = self.y[rows] * (np.nan if len(self.read) > self.spoil_after else 1.0)
        return torch.from_numpy(self.x[rows]), torch.from_numpy(y.astype(np.float32))


def run_on(
    folder: Path,
    data: Points | None = None,
    settings: LoopSettings = SETTINGS,
    resume: bool = False,
    **provenance: object,
) -> dict[str, Tensor]:
    run = RunFolder(folder, {"system": "line", "training": asdict(settings), **provenance}, resume)
    return train(Line, data or Points(), settings, run, computer("cpu")).state_dict()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_every_epoch_sees_every_sample_once_in_nearly_equal_batches(tmp_path: Path) -> None:
    data = Points()
    run_on(tmp_path / "run", data)
    assert len(data.read) == 6 * 5  # 37 samples in batches of at most 8
    orders = [np.concatenate(data.read[5 * epoch : 5 * epoch + 5]).tolist() for epoch in range(6)]
    assert all(sorted(order) == list(range(37)) for order in orders)
    assert len({tuple(order) for order in orders}) == 6
    assert {len(rows) for rows in data.read} == {7, 8}


def test_a_line_is_learned(tmp_path: Path) -> None:
    learned = run_on(tmp_path / "run", settings=replace(SETTINGS, epochs=60, weight_decay=0.0))
    # Dropout at 0.2 shrinks the slopes of independent inputs a little.
    assert learned["line.bias"].item() == pytest.approx(3.0, abs=0.3)
    assert learned["line.weight"][0, 1].item() == pytest.approx(-2.0, abs=0.5)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(tmp_path: Path) -> None:
    first = run_on(tmp_path / "first")
    assert same(first, run_on(tmp_path / "second"))
    assert not same(first, run_on(tmp_path / "third", settings=replace(SETTINGS, seed=4)))


@pytest.mark.parametrize("batches", [0, 3, 5, 17, 29])
def test_a_run_that_was_stopped_ends_as_if_it_had_not(tmp_path: Path, batches: int) -> None:
    """Stopped before the first batch, within an epoch, between two, and before the last batch."""
    with pytest.raises(KeyboardInterrupt):
        run_on(tmp_path / "stopped", Points(fail_after=batches))
    resumed = run_on(tmp_path / "stopped", resume=True)
    assert same(resumed, run_on(tmp_path / "whole"))
    kept = [torch.load(tmp_path / name / "checkpoint.pt") for name in ("stopped", "whole")]
    assert kept[0]["history"] == kept[1]["history"]
    assert len(kept[0]["history"]) == 6
    moments = [state["optimizer"]["state"][0]["exp_avg"] for state in kept]
    assert torch.equal(moments[0], moments[1])


def still() -> Line:
    """Without dropout, which draws other numbers for each part of a step."""
    module = Line()
    module.dropout.p = 0.0
    return module


@pytest.mark.parametrize("accumulate", [2, 3])
def test_a_step_in_parts_is_the_same_step(tmp_path: Path, accumulate: int) -> None:
    """37 samples make steps of 7 and 8, whose parts are of unequal size."""
    results, reads, histories = [], [], []
    for name, settings in (("whole", SETTINGS), ("parts", replace(SETTINGS, accumulate=accumulate))):
        points = Points()
        run = RunFolder(tmp_path / name, {}, resume=False)
        results.append(train(still, points, settings, run, computer("cpu")).state_dict())
        reads.append(points.read)
        histories.append([means["loss"] for means in torch.load(tmp_path / name / "checkpoint.pt")["history"]])
    torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(histories[1], histories[0], rtol=1e-4)
    assert len(reads[1]) == accumulate * len(reads[0])
    assert max(map(len, reads[1])) == math.ceil(8 / accumulate)
    assert np.concatenate(reads[1]).tolist() == np.concatenate(reads[0]).tolist()


@pytest.mark.parametrize("batches", [1, 7])
def test_a_run_in_parts_that_was_stopped_ends_as_if_it_had_not(tmp_path: Path, batches: int) -> None:
    """Stopped within a step, of which nothing may stay."""
    settings = replace(SETTINGS, accumulate=3)
    with pytest.raises(KeyboardInterrupt):
        run_on(tmp_path / "stopped", Points(fail_after=batches), settings)
    assert same(run_on(tmp_path / "stopped", None, settings, resume=True), run_on(tmp_path / "whole", None, settings))


def test_mixed_precision_rounds_products_and_not_what_goes_in(tmp_path: Path) -> None:
    """On the CPU here; `computer` takes it on GPUs only."""
    types: set[tuple[torch.dtype, torch.dtype, torch.dtype]] = set()

    class Told(Line):
        def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
            types.add((x.dtype, y.dtype, self.line(x).dtype))
            return super().forward(x, y)

    fabric = lightning_fabric.Fabric(accelerator="cpu", plugins=MixedPrecision("cpu"))
    run = RunFolder(tmp_path / "run", {}, resume=False)
    learned = train(Told, Points(), SETTINGS, run, fabric).state_dict()
    assert types == {(torch.float32, torch.float32, torch.bfloat16)}
    assert {weight.dtype for weight in learned.values()} == {torch.float32}
    assert json.loads((tmp_path / "run" / "run.json").read_text())["computed_on"]["mixed_precision"] is True
    with pytest.raises(InputError, match="Mixed precision is for GPUs") as raised:
        computer("cpu", mixed_precision=True)
    assert raised.value.got == "the CPU"


def test_samples_read_ahead_are_the_same(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "ahead", {"training": asdict(SETTINGS)}, resume=False)
    ahead = train(Line, Points(), SETTINGS, run, computer("cpu"), workers=1).state_dict()
    assert same(ahead, run_on(tmp_path / "between"))


def test_the_folder_says_what_made_the_run_and_how_it_went(tmp_path: Path) -> None:
    run_on(tmp_path / "run", data_digest="abc")
    note = json.loads((tmp_path / "run" / "run.json").read_text())
    assert note["training"] == asdict(SETTINGS)
    assert (note["system"], note["data_digest"]) == ("line", "abc")
    assert note["versions"]["torch"] == torch.__version__
    assert note["computed_on"]["accelerator"] == "cpu"
    assert (tmp_path / "run" / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert list((tmp_path / "run").glob("events.out.tfevents.*"))
    history = torch.load(tmp_path / "run" / "checkpoint.pt")["history"]
    assert history[-1]["loss"] < history[0]["loss"]
    assert all(means["half"] == pytest.approx(0.5 * means["loss"]) for means in history)


def test_the_mean_loss_is_over_the_whole_epoch(tmp_path: Path) -> None:
    """With a learning rate of nearly nothing and no dropout, the mean over an epoch is that of the first weights."""

    def build() -> Line:
        module = Line()
        module.dropout.p = 0.0
        return module

    settings = replace(SETTINGS, epochs=1, batch=5, learning_rate=1e-30, weight_decay=0.0)
    run = RunFolder(tmp_path / "run", {}, resume=False)
    points = Points(35)
    module = train(build, points, settings, run, computer("cpu"))
    (everything,) = [points[np.arange(35)]]
    with torch.no_grad():
        expected = module(*everything)["loss"].item()
    assert torch.load(tmp_path / "run" / "checkpoint.pt")["history"][0]["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(InputError, match="not a finite number") as raised:
        run_on(folder, Points(spoil_after=13))
    assert raised.value.got == "epoch 3"
    assert "after epoch 2" in raised.value.valid
    kept = torch.load(folder / "checkpoint.pt")
    assert len(kept["history"]) == 2
    assert all(bool(weight.isfinite().all()) for weight in kept["model"].values())
    # What was good can be taken, as the message says.
    assert "--resume --epochs 2" in raised.value.next_step
    taken = run_on(folder, settings=replace(SETTINGS, epochs=2), resume=True)
    assert same(taken, kept["model"])


def test_weights_that_are_no_numbers_are_not_kept(tmp_path: Path) -> None:
    """The loss of the last step of an epoch may be finite when its gradient is not."""

    class Cliff(Line):
        def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
            return {
                "loss": super().forward(x, y)["loss"] + 0.0 * (self.line.bias - self.line.bias.detach()).sqrt().sum()
            }

    run = RunFolder(tmp_path / "run", {}, resume=False)
    with pytest.raises(InputError, match="not a finite number") as raised:
        train(Cliff, Points(8), SETTINGS, run, computer("cpu"))
    assert "nothing was learned" in raised.value.valid
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_is_not_overwritten_or_gone_on_with_otherwise(tmp_path: Path, resume: bool) -> None:
    folder = tmp_path / "run"
    run_on(folder)
    before = (folder / "checkpoint.pt").read_bytes()
    with pytest.raises(InputError) as raised:
        run_on(folder, settings=replace(SETTINGS, learning_rate=0.01), resume=resume)
    if resume:
        assert "made of something else" in raised.value.what
        assert raised.value.got == "training.learning_rate 0.01"
        with pytest.raises(InputError, match="made of something else"):
            run_on(folder, settings=replace(SETTINGS, epochs=5), resume=True)
    else:
        assert "a run in this folder already" in raised.value.what
        assert "--resume" in raised.value.next_step
    assert (folder / "checkpoint.pt").read_bytes() == before


def test_damaged_notes_and_checkpoints_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run_on(folder)
    (folder / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="not the checkpoint of a run"):
        run_on(folder, resume=True)
    (folder / "checkpoint.pt").unlink()
    (folder / "run.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        run_on(folder, resume=True)


def test_the_learning_rate_falls_as_half_a_cosine_or_stays() -> None:
    falling = LoopSettings(epochs=1, batch=2, learning_rate=0.4, falling=True)
    rates = [falling.rate(progress, 1000) for progress in (0.0, 1.0 / 3.0, 0.5, 1.0)]
    np.testing.assert_allclose(rates, [0.4, 0.3, 0.2, 0.0], atol=1e-12)
    assert replace(falling, falling=False).rate(0.9, 1000) == 0.4


def test_the_learning_rate_rises_over_the_warmup_which_is_a_tenth_of_the_run_at_most() -> None:
    warm = LoopSettings(epochs=1, batch=2, learning_rate=0.4, warmup_steps=4)
    rates = [warm.rate(step / 100.0, 100) for step in range(6)]
    np.testing.assert_allclose(rates, [0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
    bounded = replace(warm, warmup_steps=4000)
    assert [bounded.rate(step / 100.0, 100) for step in (0, 4, 9, 50)] == pytest.approx([0.04, 0.2, 0.4, 0.4])
    assert bounded.rate(0.0, 9) == 0.4, "a run of nine steps has no tenth"
    falling = replace(warm, falling=True)
    assert falling.rate(0.5, 100) == pytest.approx(0.2)


def test_every_step_has_the_rate_of_its_place_in_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four epochs of five steps, of which two warm up, while half a cosine falls over all twenty."""
    rates: list[float] = []
    step = torch.optim.AdamW.step

    def watched(self: torch.optim.AdamW, *args: object, **kwargs: object) -> object:
        rates.extend(group["lr"] for group in self.param_groups)
        return step(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    run_on(tmp_path / "run", settings=replace(SETTINGS, epochs=4, learning_rate=0.05, warmup_steps=2))
    fallen = [0.05 * (1.0 + math.cos(math.pi * number / 20.0)) / 2.0 for number in range(20)]
    assert rates == pytest.approx([0.5 * fallen[0], *fallen[1:]])


def test_longer_gradients_are_shortened_to_the_norm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reaches the optimizer has the norm at most, and shorter gradients are left as they are."""
    norms: list[float] = []
    step = torch.optim.AdamW.step

    def watched(self: torch.optim.AdamW, *args: object, **kwargs: object) -> object:
        grads = [weight.grad for group in self.param_groups for weight in group["params"] if weight.grad is not None]
        norms.append(float(torch.cat([grad.flatten() for grad in grads]).norm()))
        return step(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    run_on(tmp_path / "free", settings=replace(SETTINGS, epochs=2))
    free, norms = norms, []
    clip = sorted(free)[len(free) // 2]
    run_on(tmp_path / "clipped", settings=replace(SETTINGS, epochs=2, clip_norm=clip))
    assert max(norms) <= clip * (1 + 1e-4) < max(free)
    assert norms[0] == pytest.approx(min(free[0], clip), rel=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"warmup_steps": -1},
        {"clip_norm": 0.0},
        {"epochs": 0},
        {"batch": 1},
        {"accumulate": 0},
        {"seed": -1},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"learning_rate": math.inf},
        {"weight_decay": -0.1},
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(InputError) as raised:
        replace(SETTINGS, **wrong)  # type: ignore[arg-type]
    assert name.replace("_", "-") in raised.value.next_step


@pytest.mark.parametrize(("points", "batch", "accumulate"), [(1, 8, 1), (9, 2, 1), (32, 8, 5)])
def test_a_step_of_one_sample_is_refused(tmp_path: Path, points: int, batch: int, accumulate: int) -> None:
    """Of nine samples in pairs, one is left over; of a step of eight, five parts do not have two each."""
    with pytest.raises(InputError, match="too few samples") as raised:
        run_on(tmp_path / "run", Points(points), settings=replace(SETTINGS, batch=batch, accumulate=accumulate))
    samples = f"{points} sample" if points == 1 else f"{points} samples"
    assert f"{samples}, {batch} in a step of {accumulate} part" in raised.value.got
    assert not (tmp_path / "run").exists()


def test_computers_that_are_not_there() -> None:
    with pytest.raises(InputError, match="no such accelerator"):
        computer("gpu")
    with pytest.raises(InputError, match="that many processes"):
        computer("cpu", 0)
