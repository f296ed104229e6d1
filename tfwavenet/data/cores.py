"""Counts the cores that this process may use."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator


def available(root: str | os.PathLike[str] = "/") -> int:
    """Returns the number of cores that this process may use, at least 1.

    The number is the smaller of two: the cores that the process may run on, and the share of time
    that its container gets, in whole cores. That share is the CPU quota of Linux' control groups,
    version 1 or 2. With a share of 1.5 cores, two processes would wait for each other half of the time.

    Args:
        root: folder in which the `proc` and `sys` of Linux are looked for.
    """
    allowed = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    return max(1, min([allowed, *map(int, _quotas(pathlib.Path(root)))]))


def _quotas(root: pathlib.Path) -> Iterator[float]:
    """Yields the quotas of the process' control groups and of the groups around them, in cores."""
    groups = root / "sys" / "fs" / "cgroup"
    for names, path in _memberships(root):
        if names not in ("", "cpu,cpuacct", "cpuacct,cpu", "cpu"):
            continue
        for folder in _upwards(groups / names, path):
            quota = _quota(folder)
            if quota is not None:
                yield quota


def _memberships(root: pathlib.Path) -> Iterator[tuple[str, str]]:
    """Yields the controllers and the path of each control group; version 2 names no controllers."""
    for line in _text(root / "proc" / "self" / "cgroup").splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            yield parts[1], parts[2]


def _upwards(mounted: pathlib.Path, path: str) -> Iterator[pathlib.Path]:
    """Yields the folder of a control group and of all groups around it.

    In a container the path may be the one outside of it; the container's own group is then what is
    mounted.
    """
    folder = mounted / path.strip("/")
    while folder != mounted and mounted in folder.parents:
        yield folder
        folder = folder.parent
    yield mounted


def _quota(folder: pathlib.Path) -> float | None:
    """Returns the quota of a control group in cores. If None, it has none."""
    # Version 2: "150000 100000" or "max 100000"; version 1: a file for each number, -1 for none.
    words = _text(folder / "cpu.max").split()
    if not words:
        words = [_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    try:
        quota, period = (int(word) for word in words)
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None


def _text(path: pathlib.Path) -> str:
    """Returns the content of a file, or nothing where it cannot be read."""
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
