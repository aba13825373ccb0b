"""`asd-edge score`."""

from asd_edge.calibration.command_line import options
from asd_edge.runtime.inference.model_settings import ModelSettings
from asd_edge.runtime.pipeline.listen_settings import ScoredFiles, ScoreSettings


@options
def score(files: ScoredFiles, settings: ScoreSettings, model: ModelSettings) -> None:
    """Score the windows of sound files against a bank."""
    from asd_edge.calibration.bank.bank import load_bank
    from asd_edge.runtime.pipeline.listening import score_files
    from asd_edge.runtime.pipeline.machines import machine_name
    from asd_edge.runtime.sinks.delivery import deliver
    from asd_edge.runtime.sinks.json_lines import JsonLines
    from asd_edge.runtime.sinks.terminal import Terminal

    started, bank = model.start(), load_bank(files.bank)
    name = machine_name(bank, files.bank)
    scored = score_files(files.paths, started, bank, settings, name)
    above = f"one in {100 / (100 - settings.percentile):.3g} lies above"
    heading = f"Threshold: {settings.percentile:g} % of normal windows lie below it; {above}."
    deliver(scored, [JsonLines() if files.json else Terminal(heading)])
