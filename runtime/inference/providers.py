"""Execution providers: what can run a model here, and where its nodes really ran up.

ONNX Runtime gives every node that a provider does not take to the CPU without a word, and starts on the CPU alone
where a provider cannot start. Nothing of that happens here in silence: a provider that was asked for runs nodes or it
is an error, what it leaves to the CPU is told, and ``auto`` takes only one that runs all products of matrices, which
are nearly all of the work.
"""

from __future__ import annotations

import importlib.util
import json
import platform
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd_edge.calibration.errors import ModelError
from asd_edge.runtime.inference import glibc_heap

if TYPE_CHECKING:
    from asd_edge.runtime.inference.cuda_graph import FixedBuffers

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
_NAMES = {full: name for name, full in _PROVIDERS.items()}
_BEHIND = {"tensorrt": ("cuda",)}
"""Providers that take what another leaves, before the CPU does."""
_PLUGINS = {"openvino": "onnxruntime_ep_openvino"}
"""Packages that bring a provider to any ONNX Runtime from 1.23 on, beside those that are built into one."""
_JETSON = "on a Jetson, NVIDIA's own onnxruntime-gpu wheel"
_INSTALL = {
    "cpu": "pip install 'asd-edge[cpu]'",
    "cuda": f"pip uninstall onnxruntime, then pip install 'asd-edge[cuda]'; {_JETSON}",
    "tensorrt": "pip uninstall onnxruntime, then pip install 'asd-edge[cuda]' tensorrt",
    "openvino": "pip install 'asd-edge[openvino]'",
    "coreml": "use macOS, where the cpu extra holds it",
}
_SHORTEST_REASON = 20
"""Characters; what is shorter at the end of an error only closes brackets."""
_PRODUCTS = ("MatMul", "Gemm", "Conv", "Attention", "Einsum")
"""Parts of the names of all operators that multiply matrices, quantised and fused ones included."""

Nodes = Mapping[str, Mapping[str, int]]
"""How many nodes of the graph each provider runs: provider -> operator -> how many."""


@dataclass(frozen=True)
class Started:
    """A session that can run."""

    provider: str
    session: Any
    nodes: Nodes
    """empty where ONNX Runtime does not tell, before its version 1.24"""
    buffers: FixedBuffers | None = None
    """what to run it through, on a GPU"""
    how: str = ""
    """in which way a GPU runs it, in words: ``one CUDA graph``, or why it is none"""


def available_providers() -> list[str]:
    """Short names of the execution providers that are installed.

    Raises:
        ModelError: ONNX Runtime is not installed.
    """
    built = import_onnxruntime().get_available_providers()
    return [name for name, full in _PROVIDERS.items() if full in built or _has_plugin(name)]


def require_known(provider: str) -> None:
    """Refuse a name that is no execution provider's.

    Raises:
        ModelError: There is no such provider, or ONNX Runtime is not installed.
    """
    if provider not in _PROVIDERS:
        raise ModelError(
            "There is no such execution provider.",
            got=provider,
            valid=", ".join(_PROVIDERS),
            next_step=f"this machine has: {', '.join(available_providers())}",
        )


def require_installed(provider: str) -> None:
    """Refuse a provider that the installed ONNX Runtime does not have, and say how to install it.

    Raises:
        ModelError: It has not, there is no such provider, or ONNX Runtime is not installed.
    """
    require_known(provider)
    available = available_providers()
    if provider not in available:
        raise ModelError(
            f"The installed ONNX Runtime has no {provider} provider.",
            got=provider,
            valid=", ".join(available),
            next_step=_INSTALL[provider],
        )


def start_on(
    path: Path,
    provider: str,
    threads: int,
    *,
    optimised: bool = False,
    settings: Mapping[str, str] | None = None,
    batch: int | None = None,
) -> Started:
    """Start a model on one provider that is installed.

    Args:
        path: The ONNX file.
        provider: A short name.
        threads: Threads within one operator on the CPU; 0 takes one per physical core.
        optimised: The graph was optimised for this machine before and is to be taken as it is.
        settings: Of the provider, as ONNX Runtime names them, beside those that it always has here.
        batch: Windows in every run; any number when left out.

    Raises:
        ModelError: It does not run the model here.
    """
    onnxruntime = import_onnxruntime()
    options = session_options(threads)
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if batch is not None:
        options.add_free_dimension_override_by_name("batch", batch)
    if optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    wanted = _settings(provider, threads) | dict(settings or {})
    chosen = _PROVIDERS[provider]
    glibc_heap.share_one_heap()
    try:
        if chosen in onnxruntime.get_available_providers() and not _has_plugin(provider):
            behind = [_PROVIDERS[name] for name in _BEHIND.get(provider, ())]
            listed: dict[str, Any] = {"providers": [(chosen, wanted), *behind]}
        else:
            options.add_provider_for_devices(_plugin_devices(provider), wanted)
            listed = {}
        # Its own fallback to the CPU would be silent.
        session = onnxruntime.InferenceSession(str(path), options, enable_fallback=0, **listed)
    except Exception as error:
        raise _not_started(error, path, provider) from error
    nodes = _nodes(session)
    if session.get_providers()[0] != chosen or (nodes and provider not in nodes):
        raise ModelError(
            f"The {provider} provider did not take the model, and ONNX Runtime fell back to the CPU.",
            got=", ".join(session.get_providers()),
            valid=f"a working {provider} installation",
            next_step=f"{_INSTALL[provider]}; or --provider cpu",
        )
    return Started(provider, session, nodes)


def session_options(threads: int) -> Any:
    """ONNX Runtime's options that suit a runtime which starts fast and waits between windows."""
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


def overflows_in_8_bits(machine: str, cpuinfo: Path) -> bool:
    """Whether ONNX Runtime's fast products of 8 bits would overflow: on x86 processors without VNNI.

    There they take a slower way, which on others would double their time.

    Args:
        machine: As `platform.machine` names it.
        cpuinfo: Where Linux tells what the processor can; where there is no such file, the slower way is safe.
    """
    if machine.lower() not in ("x86_64", "amd64"):
        return False
    return not (cpuinfo.is_file() and re.search(r"\bavx(512)?_vnni\b", cpuinfo.read_text()))


def products_of(operators: Mapping[str, int]) -> dict[str, int]:
    """Those of a provider's operators that multiply matrices."""
    return {name: count for name, count in operators.items() if any(part in name for part in _PRODUCTS)}


def describe_nodes(nodes: Nodes) -> str:
    """Where the nodes are, in words: ``cuda 367, cpu 12 (12 Attention)``."""
    if not nodes:
        return "ONNX Runtime before 1.24 does not tell"
    counts = {provider: sum(operators.values()) for provider, operators in nodes.items()}
    described = []
    for provider, count in sorted(counts.items(), key=lambda item: -item[1]):
        detail = f" ({describe_operators(nodes[provider])})" if provider == "cpu" and len(nodes) > 1 else ""
        described.append(f"{provider} {count}{detail}")
    return ", ".join(described)


def describe_operators(counts: Mapping[str, int]) -> str:
    """Operators in words, the most frequent first: ``12 Attention, 2 Cast and 3 others``."""
    ordered = Counter(counts).most_common()
    shown = ", ".join(f"{count} {operator}" for operator, count in ordered[:4])
    rest = sum(count for _, count in ordered[4:])
    return f"{shown} and {rest} others" if rest else shown


def import_onnxruntime() -> Any:
    """ONNX Runtime, which only commands that run a model need.

    Raises:
        ModelError: It is not installed.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise ModelError(
            "ONNX Runtime, which runs the model, is not installed.",
            got="no module named onnxruntime",
            valid="exactly one build of it: onnxruntime (any CPU) or onnxruntime-gpu (NVIDIA, with CUDA)",
            next_step=f"pip install 'asd-edge[cpu]', or 'asd-edge[cuda]'; {_JETSON}",
        )
    import onnxruntime

    return onnxruntime


def cannot_run(provider: str, error: Exception, next_step: str) -> ModelError:
    """What to tell of a provider that fails in a run, and not before."""
    return ModelError(
        f"The {provider} provider loads the model here and cannot run it.",
        got=(str(error).strip() or type(error).__name__).splitlines()[0],
        valid="enough memory, for one",
        next_step=next_step,
    )


def _settings(provider: str, threads: int) -> dict[str, str]:
    if provider == "cuda":
        return {"use_tf32": "0"}  # or products in float32 are rounded to ten bits; who wants speed exports fp16
    if provider != "openvino":
        return {}
    # Left to itself OpenVINO computes in bfloat16 where the processor can, and its ``precision`` does not change that:
    # embeddings are off by 2 % of their deviation then, and scores are not those of the bank.
    exact = {"load_config": json.dumps({"CPU": {"INFERENCE_PRECISION_HINT": "f32"}})}
    return exact | ({"num_of_threads": str(threads)} if threads else {})


def _has_plugin(provider: str) -> bool:
    return provider in _PLUGINS and importlib.util.find_spec(_PLUGINS[provider]) is not None


def _plugin_devices(provider: str) -> list[Any]:
    """The processor as a plugin sees it; the plugin is registered the first time."""
    onnxruntime = import_onnxruntime()
    chosen = _PROVIDERS[provider]
    if chosen not in onnxruntime.get_available_providers():
        plugin = importlib.import_module(_PLUGINS[provider])
        onnxruntime.register_execution_provider_library(chosen, plugin.get_library_path())
    cpu = onnxruntime.OrtHardwareDeviceType.CPU
    found = [
        device for device in onnxruntime.get_ep_devices() if device.ep_name == chosen and device.device.type == cpu
    ]
    if not found:
        raise RuntimeError("it does not find the processor")
    return found[:1]


def _nodes(session: Any) -> Nodes:
    """Counts of what ONNX Runtime recorded after its first, provider-independent optimisations."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return {}
    counted: dict[str, Counter[str]] = {}
    for part in session.get_provider_graph_assignment_info():
        operators = counted.setdefault(_NAMES.get(part.ep_name, part.ep_name), Counter())
        operators.update(node.op_type for node in part.get_nodes())
    return {provider: dict(operators) for provider, operators in counted.items()}


def _not_started(error: Exception, path: Path, provider: str) -> ModelError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = lines[0]
    if provider != "cpu" and "INVALID_PROTOBUF" not in text:
        return ModelError(
            f"The {provider} provider cannot run the model here.",
            # The reason comes last, behind where in the provider it happened.
            got=next((line for line in reversed(lines) if len(line) > _SHORTEST_REASON), text),
            valid=f"a working {provider} installation",
            next_step=f"{_INSTALL[provider]}; or --provider cpu",
        )
    return ModelError(
        "The file is no ONNX model that this ONNX Runtime can load.",
        got=f"{path}: {text}",
        valid="an .onnx file made by `asd-edge export`",
        next_step="export or copy it again; a newer file may want pip install --upgrade onnxruntime",
    )
