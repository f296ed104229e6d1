"""Measurements that alternate in processes of their own.

Alternation spreads every program over the same minutes, so that a slow minute affects all programs.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Optional

# glibc's defaults return memory after every step and cost PyTorch up to 1.5x in page faults.
PEER_ENVIRONMENT = {
    "MALLOC_TRIM_THRESHOLD_": "20000000000",
    "MALLOC_MMAP_THRESHOLD_": "20000000000",
}


def measured(command: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Runs a measurement in a process of its own, and returns the JSON of its last output line."""
    result = subprocess.run(
        command, env={**os.environ, **environment}, check=True, capture_output=True, text=True
    )
    return json.loads(result.stdout.splitlines()[-1])


def in_turns(
    commands: Mapping[str, Sequence[str]], rounds: int, *, peers: Sequence[str] = ()
) -> dict[str, list[float]]:
    """Runs every command once per round.

    Args:
        commands: commands by name. Each prints a last line of JSON with a list of `seconds`.
        rounds: int > 0, number of rounds.
        peers: names of the commands that run with the allocator settings fastest for PyTorch.

    Returns:
        The seconds of all rounds, by name of the command.
    """
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            environment = PEER_ENVIRONMENT if name in peers else {}
            seconds[name] += measured(command, environment)["seconds"]
    return seconds


def peer_python(given: Optional[str]) -> Optional[str]:
    """Returns the Python interpreter for PyTorch programs.

    Args:
        given: path of the interpreter. If None, this interpreter is used if it has PyTorch.

    Returns:
        The path, or None if there is no interpreter with PyTorch.
    """
    if given is None and importlib.util.find_spec("torch") is not None:
        return sys.executable
    return given
