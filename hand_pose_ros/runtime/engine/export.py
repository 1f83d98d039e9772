"""A network as one program of PyTorch's operators, and the list of those."""

from __future__ import annotations

from collections import Counter

import torch


def to_exported_program(
    network: torch.nn.Module, example: tuple[torch.Tensor, ...]
) -> torch.export.ExportedProgram:
    """Return a network as `torch.export` sees it, for the shapes of the example.

    There is one graph, without branches and without anything drawn by chance.
    """
    with torch.no_grad():
        return torch.export.export(network, example, strict=False)


def operators(program: torch.export.ExportedProgram) -> Counter[str]:
    """Return how often each operator is in a program, decomposed to PyTorch's core ones."""
    graph = program.run_decompositions().graph
    return Counter(str(node.target) for node in graph.nodes if node.op == "call_function")
