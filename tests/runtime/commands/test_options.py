"""The options of the device's commands: settings say them once, for the command line, the help and Python."""

from __future__ import annotations

import dataclasses
import pydoc
import re
import subprocess
import sys

import pytest
from program import Run

from asd_edge.calibration.settings import option_of
from asd_edge.runtime.answering.settings import FeedbackSettings, LearningSettings
from asd_edge.runtime.enrolment.settings import EnrollSettings
from asd_edge.runtime.inference.model_settings import ModelSettings, ModelsSettings
from asd_edge.runtime.pipeline.listen_settings import ListenSettings, ScoredFiles, ScoreSettings
from asd_edge.runtime.pipeline.machine_settings import MachineSettings, MachinesSettings
from asd_edge.runtime.reports.settings import DemoSettings, DoctorSettings, InfoSettings
from asd_edge.runtime.sinks.settings import SinkSettings
from asd_edge.runtime.sources.settings import SourceSettings

MODEL = "--model --provider --threads --cache"
OPTIONS = {
    "demo": f"--output --seed {MODEL}",
    "devices": "--json",
    "doctor": "--model --json",
    "enroll": f"--bank --device --input --minutes --hop --channel --name --append --strange --copies "
    f"--keep-audio --scorer --max-references --take-aside --undo --yes --json {MODEL}",
    "listen": "--bank --device --input --realtime --require-devices --hop --channel --alarm --false-alarms-per-day "
    "--percentile --drift-watch --learn-for --learn-unconfirmed "
    f"--json --sink {MODEL}",
    "score": f"--bank --json --hop --percentile --channel {MODEL}",
    "feedback": "--bank --normal --fault --shadow-days --undo --note --json",
    "info": "--json",
}
SETTINGS = (
    EnrollSettings,
    SourceSettings,
    ModelSettings,
    ModelsSettings,
    ListenSettings,
    MachineSettings,
    MachinesSettings,
    ScoredFiles,
    ScoreSettings,
    SinkSettings,
    DemoSettings,
    DoctorSettings,
    FeedbackSettings,
    InfoSettings,
    LearningSettings,
)


@pytest.mark.parametrize(("command", "names"), OPTIONS.items())
def test_every_command_has_its_options(run_main: Run, command: str, names: str) -> None:
    shown = run_main(command, "--help").stdout
    found = set(re.findall(r"^│[ *]+(--[a-z-]+)", shown, re.MULTILINE)) - {"--help"}
    assert found == set(names.split())


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.__name__)
def test_every_field_is_documented_by_a_sentence(kind: type) -> None:
    documentation = pydoc.render_doc(kind, renderer=pydoc.plaintext)
    assert re.search(r"^ \|  (How|Where|Which|What) .+\.$", documentation, re.MULTILINE)
    for field in dataclasses.fields(kind):
        assert re.search(rf"^ \|      {field.name}: [A-Z].+\.$", documentation, re.MULTILINE), field.name


def test_an_option_is_called_like_its_field() -> None:
    assert option_of(ListenSettings, "rule") == "--alarm"
    assert option_of(EnrollSettings, "keep_audio") == "--keep-audio"
    assert option_of(EnrollSettings, "hop_s") == "--hop"


def test_the_default_of_offline_scoring_is_that_of_the_challenge() -> None:
    from asd_edge.calibration.bank.threshold import DEFAULT_PERCENTILE

    assert ScoreSettings().percentile == DEFAULT_PERCENTILE


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import contextlib, io, sys\n"
        "from asd_edge.runtime.cli import main\n"
        f"for command in {list(OPTIONS)!r}:\n"
        "    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "        main([command, '--help'])\n"
        "heavy = {'numpy', 'scipy', 'onnxruntime', 'sounddevice', 'soundfile', 'jinja2', 'torch'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
