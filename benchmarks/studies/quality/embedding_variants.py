"""How the default embedding was chosen: statistics of the log-mel spectrogram, compared by the nearest neighbour.

Every clip becomes a log-mel spectrogram, 10 ms a frame, of the mel bins that are not empty. A variant is what is kept
of it over time. Beside the areas on recordings stand those on soft faults that are mixed into every fifth training
clip, which the references then lack.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray

from asd_edge.benchmarks.probes.host import describe_host
from asd_edge.benchmarks.studies.printing import print_table
from asd_edge.benchmarks.studies.quality.soft_faults import FAULTS, add_fault
from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.console import say
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.contract.references import References, Timeline
from asd_edge.calibration.dcase.data_set import Clip, read_data_set
from asd_edge.calibration.dcase.measures import Measures, ScoredClip, measure, official_score
from asd_edge.calibration.dcase.metrics import auc
from asd_edge.calibration.scorers.registry import require_scorer
from asd_edge.calibration.settings import Setting, settings
from asd_edge.export.systems.logmel.model import SQUARE_FLOOR, WINDOW_SAMPLES, LogMelStatistics

_EVERY = 5
"""Of so many training clips, one gets the soft faults."""
_DRAWS = 20
"""Ten references are drawn so many times."""
_FEW = 10
_GAIN_DB = 6.0
_BANDS_HZ = ((1.0, 3.0), (3.0, 8.0), (8.0, 20.0), (20.0, 50.0))
_FRAMES_PER_S = 100.0

Embed = Callable[[FloatArray], FloatArray]
"""From a spectrogram ``(bins, frames)`` to an embedding."""


@settings
class EmbeddingVariantsSettings:
    """Which recordings to look at."""

    data: Annotated[Path, Setting("A folder in the layout of DCASE Task 2.")]
    main: Annotated[str, Setting("The machine whose areas are shown, and whose Ω has an error.")] = "drone"
    bootstrap: Annotated[
        int, Setting("How often test clips are drawn anew for the error of Ω.", at_least=2, at_most=1000000)
    ] = 200
    seed: Annotated[int, Setting("The seed of all that is drawn.", at_least=0, at_most=2**32 - 1)] = 0


@dataclass(frozen=True)
class Machine:
    """The spectrograms of a machine's clips, each ``(bins, frames)``."""

    train: list[FloatArray]
    test: list[FloatArray]
    clips: list[Clip]
    """the test clips"""
    faulty: dict[str, list[FloatArray]]
    """every fifth training clip with each kind of fault"""


def variants() -> dict[str, Embed]:
    """Make the ways to embed that are compared, by name."""

    def mean(x: FloatArray) -> FloatArray:
        return np.asarray(x.mean(axis=1))

    def deviation(x: FloatArray) -> FloatArray:
        return np.asarray(x.std(axis=1))

    def shape(x: FloatArray) -> FloatArray:
        return np.asarray(mean(x) - mean(x).mean())

    def lags(*frames: int) -> Embed:
        return lambda x: np.concatenate([(x[:, k:] - x[:, :-k]).std(axis=1) for k in frames])

    def steps(*frames: int) -> Embed:
        """The root mean square of changes, as the model has them."""
        return lambda x: np.concatenate(
            [np.sqrt(((x[:, k:] - x[:, :-k]) ** 2).mean(axis=1) + SQUARE_FLOOR) for k in frames]
        )

    def both(*parts: Embed) -> Embed:
        return lambda x: np.concatenate([part(x) for part in parts])

    return {
        "mean": mean,
        "mean + deviation": both(mean, deviation),
        "mean without level": shape,
        "deviation": deviation,
        "mean without level + deviation": both(shape, deviation),
        **{f"change at lag {k}": lags(k) for k in (1, 8, 32, 48, 64, 128)},
        "modulation bands": modulation_bands,
        "u_32 + u_64": steps(32, 64),
        "u_32 + u_64 + mean without level": both(steps(32, 64), shape),
    }


def modulation_bands(x: FloatArray) -> FloatArray:
    """Measure how strong each bin's course over time is in four bands, by the root mean square, ``(4 bins,)``."""
    power = np.abs(np.fft.rfft(x - x.mean(axis=1, keepdims=True), axis=1) / x.shape[1]) ** 2
    hz = np.fft.rfftfreq(x.shape[1], 1.0 / _FRAMES_PER_S)
    return np.concatenate([np.sqrt(2.0 * power[:, (hz >= low) & (hz < high)].sum(axis=1)) for low, high in _BANDS_HZ])


def read_machines(data: Path, seed: int) -> dict[str, Machine]:
    """Read the clips of every machine, the first window of each, and mix faults into some.

    Raises:
        InputError: The folder does not fit the layout, or a clip cannot be read.
    """
    front_end = LogMelStatistics().spectrogram

    def spectrogram(sound: FloatArray) -> FloatArray:
        with torch.no_grad():
            return np.asarray(front_end(torch.from_numpy(sound)[None])[0].numpy())

    rng = np.random.default_rng(seed)
    machines = {}
    for name, clips in read_data_set(data).items():
        sounds = {
            clip.path: read_windows(clip.path, WINDOW_SAMPLES)[0] for clip in clips if clip.split != "supplemental"
        }
        train = [sounds[clip.path] for clip in clips if clip.split == "train"]
        test = [clip for clip in clips if clip.split == "test"]
        machines[name] = Machine(
            [spectrogram(sound) for sound in train],
            [spectrogram(_first_window(clip)) for clip in test],
            test,
            {
                kind: [spectrogram(add_fault(kind, sound, rng)) for sound in train[_EVERY - 1 :: _EVERY]]
                for kind in FAULTS
            },
        )
    return machines


def _first_window(clip: Clip) -> FloatArray:
    return np.asarray(read_windows(clip.path, WINDOW_SAMPLES)[0])


def nearest_scores(references: Sequence[FloatArray], queries: Sequence[FloatArray]) -> NDArray[np.float64]:
    """Score embeddings by the runtime's nearest neighbour.

    Args:
        references: The normal embeddings, each ``(dim,)``.
        queries: The embeddings to score.
    """
    count = len(references)
    window_s = WINDOW_SAMPLES / SAMPLE_RATE_HZ
    timeline = Timeline(np.arange(count, dtype=np.int32), np.zeros(count), window_s)
    known = References(np.stack(references).astype(np.float32), timeline, np.full(count, "", np.str_))
    scorer, _ = require_scorer("nearest").fit(known)
    return np.array([scorer.score(ModelOutput(query.astype(np.float32))) for query in queries])


def _measures(clips: Sequence[Clip], scores: Sequence[float] | NDArray[np.float64]) -> Measures:
    return measure(
        [
            ScoredClip(clip.path.name, clip.domain, clip.label, float(score), False)
            for clip, score in zip(clips, scores, strict=True)
        ]
    )


def _omega(clips: Sequence[Clip], scores: NDArray[np.float64]) -> float:
    return official_score([_measures(clips, scores)])


def _standard_error(clips: Sequence[Clip], scores: NDArray[np.float64], draws: int, seed: int) -> float:
    """Estimate the standard error of Ω, by drawing clips anew within each domain and label."""
    rng = np.random.default_rng(seed)
    strata = [(clip.domain, clip.label) for clip in clips]
    groups = [np.flatnonzero([each == stratum for each in strata]) for stratum in dict.fromkeys(strata)]
    found = []
    for _ in range(draws):
        rows = np.concatenate([rng.choice(group, len(group)) for group in groups])
        found.append(_omega([clips[row] for row in rows], scores[rows]))
    return float(np.std(found, ddof=1))


def _soft_faults(machine: Machine, embed: Embed) -> dict[str, float]:
    """Measure the AUC of each kind of fault against the same clips without it."""
    held = machine.train[_EVERY - 1 :: _EVERY]
    known = [embed(x) for row, x in enumerate(machine.train) if row % _EVERY != _EVERY - 1]
    normal = nearest_scores(known, [embed(x) for x in held])
    return {
        kind: auc(normal, nearest_scores(known, [embed(x) for x in found])) for kind, found in machine.faulty.items()
    }


def embedding_variants(wanted: EmbeddingVariantsSettings) -> None:
    """How statistics of the log-mel spectrogram compare as embeddings, on recordings and on soft faults."""
    machines = read_machines(wanted.data, wanted.seed)
    say(describe_host())
    others = [name for name in machines if name != wanted.main]
    by_kind: list[tuple[str, ...]] = []
    heads = (
        *("statistics", "dims", f"{wanted.main} AUC source", "target", "pAUC", "Ω (standard error)"),
        *(f"Ω, {_FEW} references", f"Ω, ±{_GAIN_DB:g} dB gain", *(f"{name} Ω" for name in others), "soft faults, AUC"),
    )
    print_table(heads, (_row(name, embed, machines, wanted, by_kind) for name, embed in variants().items()))
    print_table(("AUC of soft faults", *FAULTS), by_kind)


def _row(
    name: str,
    embed: Embed,
    machines: dict[str, Machine],
    wanted: EmbeddingVariantsSettings,
    by_kind: list[tuple[str, ...]],
) -> tuple[str, ...]:
    """Compute the cells of a variant; its areas by kind of fault are added to `by_kind`."""
    rng = np.random.default_rng(wanted.seed)
    main = machines[wanted.main]
    references, queries = [embed(x) for x in main.train], [embed(x) for x in main.test]
    scores = nearest_scores(references, queries)
    areas = _measures(main.clips, scores)
    error = _standard_error(main.clips, scores, wanted.bootstrap, wanted.seed)
    few = [
        _omega(main.clips, nearest_scores([references[row] for row in rows], queries))
        for rows in (rng.choice(len(references), _FEW, replace=False) for _ in range(_DRAWS))
    ]
    gains = rng.choice([-_GAIN_DB, _GAIN_DB], len(main.test)) * np.log(10.0) / 10.0
    louder = nearest_scores(references, [embed(x + gain) for x, gain in zip(main.test, gains, strict=True)])
    rest = [
        _omega(each.clips, nearest_scores([embed(x) for x in each.train], [embed(x) for x in each.test]))
        for other, each in machines.items()
        if other != wanted.main
    ]
    faults = [_soft_faults(each, embed) for each in machines.values()]
    kinds = {kind: float(np.mean([each[kind] for each in faults])) for kind in FAULTS}
    by_kind.append((name, *(f"{area:.2f}" for area in kinds.values())))
    target = "-" if areas.auc_target is None else f"{areas.auc_target:.3f}"
    return (
        name,
        f"{len(references[0])}",
        f"{areas.auc_source:.3f}",
        target,
        f"{areas.pauc:.3f}",
        f"{official_score([areas]):.3f} ({error:.3f})",
        f"{np.mean(few):.3f}",
        f"{_omega(main.clips, louder):.3f}",
        *(f"{omega:.3f}" for omega in rest),
        f"{np.mean(list(kinds.values())):.3f}",
    )
