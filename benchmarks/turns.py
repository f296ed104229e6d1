"""Measurements in processes of their own that take turns, so that all meet the same minutes."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Optional

# glibc's defaults give memory back after every step and cost PyTorch up to 1.5x in page faults.
PEER_ENVIRONMENT = {
    "MALLOC_TRIM_THRESHOLD_": "20000000000",
    "MALLOC_MMAP_THRESHOLD_": "20000000000",
}


def measured(command: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Runs a measurement in a process of its own and returns the JSON of its last line."""
    result = subprocess.run(
        command, env={**os.environ, **environment}, check=True, capture_output=True, text=True
    )
    return json.loads(result.stdout.splitlines()[-1])


def in_turns(
    commands: Mapping[str, Sequence[str]], rounds: int, *, peers: Sequence[str] = ()
) -> dict[str, list[float]]:
    """Runs every command once per round.

    Args:
        commands: by name; each prints a last line of JSON with a list of `seconds`.
        rounds: how often.
        peers: names of those that run with the allocator settings that suit PyTorch best.

    Returns:
        By name, the seconds of all rounds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            environment = PEER_ENVIRONMENT if name in peers else {}
            seconds[name] += measured(command, environment)["seconds"]
    return seconds


def peer_python(given: Optional[str]) -> Optional[str]:
    """The interpreter for the peer; None where no PyTorch is known of."""
    if given is None and importlib.util.find_spec("torch") is not None:
        return sys.executable
    return given
