"""Where the nodes of a model run, in words."""

from __future__ import annotations

import pytest

from asd_edge.runtime.inference.placement import Nodes, describe_nodes


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({"cuda": {"MatMul": 74, "Add": 39}}, "cuda 113"),
        ({"cpu": {"Cast": 2, "Attention": 12}, "cuda": {"MatMul": 74}}, "cuda 74, cpu 14 (12 Attention, 2 Cast)"),
        (
            {"cuda": {"MatMul": 74}, "cpu": {"A": 5, "B": 4, "C": 3, "D": 2, "E": 1, "F": 1}},
            "cuda 74, cpu 16 (5 A, 4 B, 3 C, 2 D and 2 others)",
        ),
    ],
)
def test_says_in_words_what_is_left_to_the_cpu(nodes: Nodes, words: str) -> None:
    assert describe_nodes(nodes) == words
