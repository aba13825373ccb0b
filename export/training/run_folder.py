"""The folder of one training run: what made it, how far it is, and how the loss went."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from asd_edge.calibration.atomic_files import check_writable, make_folder, write_whole
from asd_edge.calibration.errors import InputError
from asd_edge.export.weights_file import read_weights, write_weights

_PROVENANCE = "run.json"
_STATE = "checkpoint.pt"
_PICTURE = "loss.png"
_EPOCHS = "training.epochs"
_PACKAGES = ("asd-edge", "torch", "numpy", "lightning-fabric")

History = list[dict[str, float]]
"""The mean losses of every epoch, by name."""


class RunFolder:
    """Keeps a run so that it can go on after any stop.

    - ``run.json``: the system, its settings, the digest of the data, versions.
    - ``checkpoint.pt``: all that the next epoch begins from.
    - ``loss.png``: the losses over the epochs; the same is in the TensorBoard logs beside it.

    Args:
        folder: The folder of the run, which is made when the run begins.
        provenance: What the run is made of, with its `LoopSettings` under ``training``; going on with anything else is
            refused. It must fit into JSON.
        resume: Whether to go on where a stopped run was.
    """

    def __init__(self, folder: Path, provenance: Mapping[str, Any], resume: bool) -> None:
        self.folder = folder
        self._provenance: dict[str, Any] = json.loads(json.dumps(provenance))
        self._resume = resume

    def begin(self, where: Mapping[str, Any]) -> dict[str, Any] | None:
        """Make the folder, or find the state of the run that is there.

        Args:
            where: The processor and the number of processes and threads. They are noted, but may change when the run
                goes on.

        Returns:
            The state that `keep` was given last; none where nothing was kept yet.

        Raises:
            InputError: There is a run, and it is not to be resumed or was made of something else; or the folder
                cannot be written.
            ModelError: The checkpoint is damaged.
        """
        note = self.folder / _PROVENANCE
        state: dict[str, Any] | None = None
        if note.exists():
            self._require_resume()
            if (self.folder / _STATE).exists():
                kept = read_weights(
                    self.folder / _STATE, "the checkpoint of a run", "remove the folder and begin again"
                )
                state = {str(name): value for name, value in kept.items()}
            self._require_same(note, len(state["history"]) if state else 0)
        else:
            make_folder(self.folder, "the run", "--output")
            check_writable(note)
            versions = {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
            with write_whole(note) as file:
                text = json.dumps({**self._provenance, "versions": versions, "computed_on": dict(where)}, indent=2)
                file.write(text.encode())
        return state

    def keep(self, state: Mapping[str, Any]) -> None:
        """Write a state in the place of the one before, whole or not at all."""
        write_weights(self.folder / _STATE, state)

    def draw(self, history: History) -> None:
        """Draw the losses over the epochs."""
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

        if not history:
            return
        figure = Figure(figsize=(7.0, 4.0), layout="constrained")
        axes = figure.add_subplot()
        epochs = range(1, len(history) + 1)
        for name in history[0]:
            axes.plot(epochs, [means[name] for means in history], label=name, marker="." if len(history) < 30 else "")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.set_ylabel("mean loss")
        axes.set_title(str(self._provenance.get("system", "")))
        axes.grid(alpha=0.3)
        axes.legend()
        with write_whole(self.folder / _PICTURE) as file:
            figure.savefig(file, format="png", dpi=120)

    def _require_resume(self) -> None:
        if not self._resume:
            raise InputError(
                "There is a run in this folder already.",
                got=self.folder,
                valid="a new folder",
                next_step="go on with it with --resume, choose another --output, or remove the folder",
            )

    def _require_same(self, note: Path, epochs: int) -> None:
        """Refuse a run of another provenance.

        The number of epochs may be another where it is the number of epochs that are done: the run then ends with what
        it has learned.
        """
        try:
            there = dict(_flat(json.loads(note.read_text(encoding="utf-8"))))
        except (ValueError, OSError, AttributeError) as error:
            raise InputError(
                f"The note of what made the run cannot be read: {error}.",
                got=note,
                valid="what this program wrote",
                next_step="remove the folder and begin again",
            ) from error
        for name, value in _flat(self._provenance):
            if there.get(name) != value and (name, value) != (_EPOCHS, epochs):
                raise InputError(
                    "The run was made of something else.",
                    got=f"{name} {value}",
                    valid=f"{name} {there.get(name)}, as {note} says",
                    next_step="give what it was made of, or begin a new run with another --output",
                )


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """List nested values with their dotted names."""
    return [
        pair
        for name, value in values.items()
        for pair in (_flat(value, f"{before}{name}.") if isinstance(value, dict) else [(f"{before}{name}", value)])
    ]
