"""The one place that starts a session: a model, loaded on an execution provider and ready to run.

ONNX Runtime gives every node that a provider does not take to the CPU without a word, and starts on the CPU alone
where a provider cannot start. Nothing of that happens here in silence: a provider that was asked for runs nodes or it
is an error, and a session says which nodes run where.
"""

from __future__ import annotations

import importlib
import json
import platform
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.errors import ModelError
from asd_edge.runtime.inference import glibc_heap
from asd_edge.runtime.inference.model_files import files_outside
from asd_edge.runtime.inference.placement import Nodes, nodes_of
from asd_edge.runtime.inference.providers import INSTALL, PLUGINS, PROVIDERS, has_plugin, import_onnxruntime

_BEHIND = {"tensorrt": ("cuda",)}
"""Providers that take what another leaves, before the CPU does."""
_SHORTEST_REASON = 20
"""Characters; what is shorter at the end of an error only closes brackets."""


class FixedBuffers:
    """Memory that a session reads its input from and writes its outputs to, in the same places at every run.

    Args:
        session: A session of ONNX Runtime whose batch is fixed.
        device: Where the buffers are: ``cuda`` or ``cpu``.

    Attributes:
        copied_s: Seconds that the last run took to copy its input to the GPU and the outputs back.
    """

    def __init__(self, session: Any, device: str) -> None:
        onnxruntime = import_onnxruntime()

        def buffer(value: Any) -> Any:
            return onnxruntime.OrtValue.ortvalue_from_shape_and_type(value.shape, np.float32, device, 0)

        self.copied_s = 0.0
        self._session = session
        self._binding = session.io_binding()
        (waveform,) = session.get_inputs()
        self._input = buffer(waveform)
        self._binding.bind_ortvalue_input(waveform.name, self._input)
        self._outputs = {value.name: buffer(value) for value in session.get_outputs()}
        for name, value in self._outputs.items():
            self._binding.bind_ortvalue_output(name, value)

    def run(self, names: Sequence[str], windows: FloatArray) -> list[FloatArray]:
        """Run the model.

        Args:
            names: The names of the outputs to copy back.
            windows: (batch, samples), exactly as many as the session was started for.

        Returns:
            The outputs, in the order of their names.
        """
        began = time.perf_counter()
        self._input.update_inplace(np.ascontiguousarray(windows))
        copied = time.perf_counter()
        self._session.run_with_iobinding(self._binding)
        ran = time.perf_counter()
        outputs = [self._outputs[name].numpy() for name in names]
        self.copied_s = time.perf_counter() - ran + copied - began
        return outputs


@dataclass(frozen=True)
class Session:
    """A model that is loaded and can run, and where it runs."""

    provider: str
    """the short name of the execution provider"""
    raw: Any
    """the session of ONNX Runtime itself"""
    nodes: Nodes
    """how many nodes each provider runs; empty where ONNX Runtime does not tell, before its version 1.24"""
    buffers: FixedBuffers | None = None
    """the memory that a GPU reads from and writes to; none where the processor runs the model"""
    cuda_graph: str = ""
    """whether a GPU runs the model as one CUDA graph, in words, or why it does not; empty elsewhere"""

    def run(self, names: Sequence[str], windows: FloatArray, run_options: Any = None) -> list[FloatArray]:
        """Run the model.

        Args:
            names: The names of the outputs.
            windows: (batch, samples) float32
            run_options: ONNX Runtime's options of this run, which a GPU does not look at.

        Returns:
            The outputs, in the order of their names.
        """
        if self.buffers is not None:
            return self.buffers.run(names, windows)
        outputs: list[FloatArray] = self.raw.run(names, {"waveform": windows}, run_options)
        return outputs


def start_session(
    path: Path,
    provider: str,
    threads: int,
    *,
    optimised: bool = False,
    settings: Mapping[str, str] | None = None,
    batch: int | None = None,
) -> Session:
    """Start a model on one provider that is installed.

    Args:
        path: The ONNX file.
        provider: The short name of the provider.
        threads: Threads within one operator on the CPU; 0 takes one per physical core.
        optimised: Whether the graph was optimised for this computer before and is to be taken as it is.
        settings: Settings of the provider, as ONNX Runtime names them, beside those that it always has here.
        batch: The number of windows in every run; any number when left out.

    Raises:
        ModelError: The file is no model, or the provider does not run it here.
    """
    if not optimised:
        files_outside(path)  # refuses a file that ONNX Runtime, before 1.24, would follow anywhere
    options = session_options(threads)
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if batch is not None:
        options.add_free_dimension_override_by_name("batch", batch)
    if optimised:
        options.graph_optimization_level = import_onnxruntime().GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = load(path, options, provider, _provider_settings(provider, threads) | dict(settings or {}))
    except Exception as error:
        raise _not_started(error, path, provider) from error
    nodes = nodes_of(session)
    if session.get_providers()[0] != PROVIDERS[provider] or (nodes and provider not in nodes):
        raise ModelError(
            f"The {provider} provider did not take the model, and ONNX Runtime fell back to the CPU.",
            got=", ".join(session.get_providers()),
            valid=f"a working {provider} installation",
            next_step=f"{INSTALL[provider]}; or --provider cpu",
        )
    return Session(provider, session, nodes)


def load(path: Path, options: Any, provider: str = "cpu", settings: Mapping[str, str] | None = None) -> Any:
    """Let ONNX Runtime load a model.

    Args:
        path: The ONNX file.
        options: The session's options, as `session_options` makes them.
        provider: The short name of the provider.
        settings: Settings of the provider, as ONNX Runtime names them.

    Returns:
        The session of ONNX Runtime.

    Raises:
        Exception: Whatever ONNX Runtime or the provider raises when the model does not load.
    """
    onnxruntime = import_onnxruntime()
    glibc_heap.share_one_heap()
    chosen, wanted = PROVIDERS[provider], dict(settings or {})
    listed: dict[str, Any] = {}
    if chosen in onnxruntime.get_available_providers() and not has_plugin(provider):
        behind = [PROVIDERS[name] for name in _BEHIND.get(provider, ())]
        listed["providers"] = [(chosen, wanted), *behind]
    else:
        options.add_provider_for_devices(_plugin_devices(provider), wanted)
    # ONNX Runtime's own fallback to the CPU would be silent.
    return onnxruntime.InferenceSession(str(path), options, enable_fallback=0, **listed)


def session_options(threads: int) -> Any:
    """Make ONNX Runtime's options that suit a runtime which starts fast and waits between windows.

    Args:
        threads: Threads within one operator on the CPU; 0 takes one per physical core.
    """
    options = import_onnxruntime().SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Threads spin between the operators of a window, but waiting for the next window must not burn a core.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.prepack.enable_parallel", "1")
    if overflows_in_8_bits(platform.machine(), Path("/proc/cpuinfo")):
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def overflows_in_8_bits(architecture: str, cpuinfo: Path) -> bool:
    """Tell whether ONNX Runtime's fast products of 8 bits would overflow: on x86 processors without VNNI.

    There they take a slower way, which on others would double their time.

    Args:
        architecture: The processor's architecture, as `platform.machine` names it.
        cpuinfo: Where Linux tells what the processor can; where there is no such file, the slower way is safe.
    """
    if architecture.lower() not in ("x86_64", "amd64"):
        return False
    return not (cpuinfo.is_file() and re.search(r"\bavx(512)?_vnni\b", cpuinfo.read_text()))


def cannot_run(provider: str, error: Exception, next_step: str) -> ModelError:
    """Make the error that tells of a provider which loads a model and then fails to run it.

    Args:
        provider: The short name of the provider.
        error: What it raised.
        next_step: What the user may try.
    """
    return ModelError(
        f"The {provider} provider loads the model here and cannot run it.",
        got=(str(error).strip() or type(error).__name__).splitlines()[0],
        valid="enough memory, for one",
        next_step=next_step,
    )


def _provider_settings(provider: str, threads: int) -> dict[str, str]:
    """The settings that a provider always has here."""
    if provider == "cuda":
        return {"use_tf32": "0"}  # or products in float32 are rounded to ten bits; who wants speed exports fp16
    if provider != "openvino":
        return {}
    # Left to itself OpenVINO computes in bfloat16 where the processor can, and its ``precision`` does not change that:
    # embeddings are off by 2 % of their deviation then, and scores are not those of the bank.
    exact = {"load_config": json.dumps({"CPU": {"INFERENCE_PRECISION_HINT": "f32"}})}
    return exact | ({"num_of_threads": str(threads)} if threads else {})


def _plugin_devices(provider: str) -> list[Any]:
    """Find the processor as a plugin sees it; the plugin is registered the first time."""
    onnxruntime = import_onnxruntime()
    chosen = PROVIDERS[provider]
    if chosen not in onnxruntime.get_available_providers():
        plugin = importlib.import_module(PLUGINS[provider])
        onnxruntime.register_execution_provider_library(chosen, plugin.get_library_path())
    cpu = onnxruntime.OrtHardwareDeviceType.CPU
    found = [
        device for device in onnxruntime.get_ep_devices() if device.ep_name == chosen and device.device.type == cpu
    ]
    if not found:
        raise RuntimeError("it does not find the processor")
    return found[:1]


def _not_started(error: Exception, path: Path, provider: str) -> ModelError:
    """Make the error that tells why a session did not start."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = lines[0]
    if provider != "cpu" and "INVALID_PROTOBUF" not in text:
        return ModelError(
            f"The {provider} provider cannot run the model here.",
            # The reason comes last, behind where in the provider it happened.
            got=next((line for line in reversed(lines) if len(line) > _SHORTEST_REASON), text),
            valid=f"a working {provider} installation",
            next_step=f"{INSTALL[provider]}; or --provider cpu",
        )
    return ModelError(
        "The file is no ONNX model that this ONNX Runtime can load.",
        got=f"{path}: {text}",
        valid="an .onnx file made by `asd-edge export` or `asd-edge adopt`",
        next_step="export or copy it again; a newer file may want pip install --upgrade onnxruntime",
    )
