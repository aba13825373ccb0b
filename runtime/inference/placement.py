"""Which provider runs which nodes of a model's graph, as numbers and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from asd_edge.runtime.inference.providers import SHORT_NAMES

_PRODUCTS = ("MatMul", "Gemm", "Conv", "Attention", "Einsum")
"""Parts of the names of all operators that multiply matrices, quantised and fused ones included."""
_SHOWN_OPERATORS = 4
"""How many operators a sentence names; the others are counted together."""

Nodes = Mapping[str, Mapping[str, int]]
"""How many nodes of the graph each provider runs: provider -> operator -> how many."""


def nodes_of(session: Any) -> Nodes:
    """Count the nodes that ONNX Runtime gave to each provider after its first, provider-independent optimisations.

    Args:
        session: A session of ONNX Runtime that was asked to record where it places nodes.

    Returns:
        The counts; none where ONNX Runtime does not tell, before its version 1.24.
    """
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return {}
    counted: dict[str, Counter[str]] = {}
    for part in session.get_provider_graph_assignment_info():
        operators = counted.setdefault(SHORT_NAMES.get(part.ep_name, part.ep_name), Counter())
        operators.update(node.op_type for node in part.get_nodes())
    return {provider: dict(operators) for provider, operators in counted.items()}


def products_of(operators: Mapping[str, int]) -> dict[str, int]:
    """Pick the operators that multiply matrices from a provider's operators and their counts."""
    return {name: count for name, count in operators.items() if any(part in name for part in _PRODUCTS)}


def describe_nodes(nodes: Nodes) -> str:
    """Say in words where the nodes run: ``cuda 367, cpu 12 (12 Attention)``."""
    if not nodes:
        return "ONNX Runtime before 1.24 does not tell"
    counts = {provider: sum(operators.values()) for provider, operators in nodes.items()}
    described = []
    for provider, count in sorted(counts.items(), key=lambda item: -item[1]):
        detail = f" ({describe_operators(nodes[provider])})" if provider == "cpu" and len(nodes) > 1 else ""
        described.append(f"{provider} {count}{detail}")
    return ", ".join(described)


def describe_operators(counts: Mapping[str, int]) -> str:
    """Name operators in words, the most frequent first: ``12 Attention, 2 Cast and 3 others``."""
    ordered = Counter(counts).most_common()
    shown = ", ".join(f"{count} {operator}" for operator, count in ordered[:_SHOWN_OPERATORS])
    rest = sum(count for _, count in ordered[_SHOWN_OPERATORS:])
    return f"{shown} and {rest} others" if rest else shown
