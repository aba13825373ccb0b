"""The trainer: one loop for every system, repeatable, and resumed after any stop as if it had not stopped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

import lightning_fabric
import numpy as np
import torch
from lightning_fabric.plugins import MixedPrecision as FabricMixedPrecision
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader

from asd_edge.calibration.errors import InputError
from asd_edge.calibration.wording import counted
from asd_edge.export.training.progress import progress_bar
from asd_edge.export.training.run_folder import History, RunFolder
from asd_edge.export.training.settings import LoopSettings


class TrainingData(Protocol):
    """The samples to train on, which are asked for by their rows."""

    def __len__(self) -> int:
        """The number of samples."""

    def __getitem__(self, rows: NDArray[np.int64]) -> tuple[Tensor, ...]:
        """The samples of these rows, as the module takes them, each ``(rows, ...)``."""


class MixedPrecision(FabricMixedPrecision):
    """Products in bfloat16, whose range is that of float32, so that no loss needs scaling; all else in float32.

    Fabric's own class rounds what goes into the module as well: sound would get noise 50 dB below it.

    Args:
        device: ``cuda`` or ``cpu``.
    """

    def __init__(self, device: str) -> None:
        super().__init__("bf16-mixed", device)

    def convert_input(self, data: Any) -> Any:
        """Leave the data as they are."""
        return data


def computer(accelerator: str = "auto", processes: int = 1, mixed_precision: bool = False) -> lightning_fabric.Fabric:
    """Choose the processor to compute on.

    Args:
        accelerator: ``cpu``, ``cuda`` or ``auto``, which is CUDA where there is some.
        processes: The number of processes, each on a GPU of its own.
        mixed_precision: Whether products are computed in bfloat16, on a GPU that can.

    Raises:
        InputError: There is no such accelerator, there are fewer GPUs, or the GPU cannot compute in bfloat16.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    chosen = ("cuda" if gpus else "cpu") if accelerator == "auto" else accelerator
    if chosen not in {"cpu", "cuda"} or (chosen == "cuda" and gpus == 0):
        valid = "auto, cpu or cuda" if gpus else "auto or cpu: PyTorch finds no GPU here"
        raise InputError(
            "There is no such accelerator.", got=accelerator, valid=valid, next_step="try --accelerator auto"
        )
    if processes < 1 or (chosen == "cuda" and processes > gpus):
        raise InputError(
            "There cannot be that many processes.",
            got=processes,
            valid=f"1 to {gpus}, one for each GPU" if chosen == "cuda" else "1 or more",
            next_step="try --processes 1",
        )
    if mixed_precision and (chosen == "cpu" or not torch.cuda.is_bf16_supported(including_emulation=False)):
        raise InputError(
            "Mixed precision is for GPUs that compute in bfloat16.",
            got="the CPU" if chosen == "cpu" else torch.cuda.get_device_name(),
            valid="an NVIDIA GPU of the Ampere generation or later",
            next_step="leave --mixed-precision away",
        )
    strategy = "ddp" if processes > 1 else "auto"
    plugins = MixedPrecision(chosen) if mixed_precision else None
    return lightning_fabric.Fabric(accelerator=chosen, devices=processes, strategy=strategy, plugins=plugins)


def train(
    build: Callable[[], nn.Module],
    data: TrainingData,
    settings: LoopSettings,
    run: RunFolder,
    fabric: lightning_fabric.Fabric,
    workers: int = 0,
    rate_of: Callable[[str], float] = lambda _: 1.0,
) -> nn.Module:
    """Train a module.

    Every epoch begins from a seed of its own and from what the run keeps of the epoch before, so that a run that was
    stopped, however roughly, ends like one that was not: on a CPU, with the same number of threads and the same
    versions, to the bit.

    Args:
        build: The function that makes the module, with its first weights drawn from PyTorch's own generator. The
            module takes what `data` gives and returns its losses, means over the batch, by name; ``loss`` is the one
            that is minimised.
        data: The samples.
        settings: The settings of the loop.
        run: The folder of the run, which keeps the state after every epoch, and the losses.
        fabric: The processor to compute on; its other processes are launched once everything is known to be well.
        workers: The number of processes that read samples ahead; with 0, samples are read between the steps.
        rate_of: The function from the name of a weight to its learning rate, relative to that of the settings.

    Returns:
        The trained module, on the CPU.

    Raises:
        InputError: There are too few samples for each step; there is a run in the folder that does not fit; the loss is
            no number any more, and the state before is kept; or the disk is full.
    """
    steps = math.ceil(len(data) / settings.batch)
    if len(data) < 2 * steps * fabric.world_size * settings.accumulate or steps == 0:
        raise InputError(
            "There are too few samples for each step.",
            got=f"{counted(len(data), 'sample')}, {settings.batch} in a step of {settings.accumulate} part(s), "
            f"{fabric.world_size} process(es)",
            valid="two or more in each part of a step for each process: batch normalisation compares them",
            next_step="add training clips, choose a larger --batch, a smaller --accumulate, or fewer --processes",
        )
    where = {
        "accelerator": fabric.device.type,
        "processes": fabric.world_size,
        "threads": torch.get_num_threads(),
        "mixed_precision": isinstance(fabric.strategy.precision, MixedPrecision),
    }
    kept = run.begin(where) if fabric.is_global_zero else None
    fabric.launch()
    torch.manual_seed(settings.seed)
    module = build()
    groups: dict[float, list[nn.Parameter]] = {}
    for name, weight in module.named_parameters():
        groups.setdefault(rate_of(name), []).append(weight)
    optimizer = torch.optim.AdamW(
        [{"params": weights, "relative": relative} for relative, weights in groups.items()],
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
    model, optimizer = fabric.setup(module, optimizer)
    kept = fabric.broadcast(kept)
    history: History = []
    if kept is not None:
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        history = kept["history"]
    with _Logs(run, history, fabric.is_global_zero) as logs, progress_bar(not fabric.is_global_zero) as bar:
        task = bar.add_task("training", total=settings.epochs * steps, completed=len(history) * steps)
        for epoch in range(len(history), settings.epochs):
            means = _Means()
            total = torch.zeros((), device=fabric.device)
            for number, (share, samples) in enumerate(_parts(data, settings, epoch, fabric, workers)):
                step, part = divmod(number, settings.accumulate)
                is_last = part == settings.accumulate - 1
                with fabric.no_backward_sync(model, enabled=not is_last):
                    losses: dict[str, Tensor] = model(*fabric.to_device(samples))
                    # Gradients are averaged over processes, whose shares of a batch may differ by one sample.
                    loss = losses["loss"] * (share * fabric.world_size)
                    fabric.backward(loss)
                total += loss.detach()
                means.add(losses, share)
                if not is_last:
                    continue
                mean = _sum(fabric, total) / fabric.world_size
                if not math.isfinite(mean):
                    raise _diverged(run, epoch, len(history))
                for group in optimizer.param_groups:
                    rate = settings.rate((epoch + step / steps) / settings.epochs, settings.epochs * steps)
                    group["lr"] = group["relative"] * rate
                _clip_and_step(fabric, model, optimizer, settings)
                total.zero_()
                bar.update(task, advance=1, description=f"training, loss {mean:.4g}")
            if not all(bool(weight.isfinite().all()) for weight in module.state_dict().values()):
                raise _diverged(run, epoch, len(history))
            history.append(means.over(fabric, steps))
            logs.add(history[-1])
            if fabric.is_global_zero:
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "history": history}
                run.keep(state)
    fabric.barrier()
    return module.cpu().eval()


def _parts(
    data: TrainingData, settings: LoopSettings, epoch: int, fabric: lightning_fabric.Fabric, workers: int
) -> Iterator[tuple[float, tuple[Tensor, ...]]]:
    """Give one process's parts of every batch of an epoch: the share of the batch that a part is, and its samples."""
    seeds = np.random.SeedSequence([settings.seed, epoch])
    order = np.random.default_rng(seeds).permutation(len(data))
    whole = np.array_split(order, math.ceil(len(order) / settings.batch))
    shares = [np.array_split(batch, fabric.world_size)[fabric.global_rank] for batch in whole]
    parts = [
        (len(part) / len(batch), part)
        for batch, share in zip(whole, shares, strict=True)
        for part in np.array_split(share, settings.accumulate)
    ]
    torch.manual_seed(int(seeds.spawn(fabric.world_size)[fabric.global_rank].generate_state(1)[0]))
    loader: DataLoader[Any] = DataLoader(
        data,  # type: ignore[arg-type]  # rows come in batches, not one by one
        batch_size=None,
        sampler=[rows for _, rows in parts],
        num_workers=workers,
        pin_memory=fabric.device.type == "cuda",
        generator=torch.Generator(),
    )
    for (share, _), samples in zip(parts, loader, strict=True):
        yield share, samples


class _Means:
    """Means of the losses over an epoch."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}

    def add(self, losses: dict[str, Tensor], share: float) -> None:
        for name, loss in losses.items():
            part = loss.detach().double() * share
            self._sums[name] = self._sums[name] + part if name in self._sums else part

    def over(self, fabric: lightning_fabric.Fabric, steps: int) -> dict[str, float]:
        return {name: _sum(fabric, total) / steps for name, total in self._sums.items()}


class _Logs:
    """TensorBoard logs while the run goes on, and the picture when it ends, however it ends."""

    def __init__(self, run: RunFolder, history: History, shown: bool) -> None:
        self._run = run
        self._history = history
        self._shown = shown

    def __enter__(self) -> _Logs:
        if self._shown:
            from tensorboardX import SummaryWriter

            # What a stopped run logged of an epoch that it did not finish is taken back.
            self._writer = SummaryWriter(str(self._run.folder), purge_step=len(self._history) + 1)
        return self

    def add(self, means: dict[str, float]) -> None:
        if self._shown:
            for name, mean in means.items():
                self._writer.add_scalar(name, mean, len(self._history))
            self._writer.flush()

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._writer.close()
            self._run.draw(self._history)


def _clip_and_step(fabric: lightning_fabric.Fabric, model: Any, optimizer: Any, settings: LoopSettings) -> None:
    """Shorten the gradients where that is wanted, and take the step."""
    if settings.clip_norm is not None:
        fabric.clip_gradients(model, optimizer, max_norm=settings.clip_norm)
    optimizer.step()
    optimizer.zero_grad()


def _sum(fabric: lightning_fabric.Fabric, part: Tensor) -> float:
    """The sum of a number over all processes."""
    return float(cast(Tensor, fabric.all_reduce(part.detach(), reduce_op="sum")))


def _diverged(run: RunFolder, epoch: int, done: int) -> InputError:
    kept = f"{run.folder} is as it was after epoch {done}" if done else "nothing was learned yet"
    take = f", or take what was learned with --resume --epochs {done}" if done else ""
    return InputError(
        "The loss is not a finite number any more; training has stopped.",
        got=f"epoch {epoch + 1}",
        valid=f"a finite loss; {kept}",
        next_step=f"train again with a smaller --learning-rate and another --output{take}",
    )
