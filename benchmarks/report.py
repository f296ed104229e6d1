"""Output that all benchmarks share: the machine, the versions, and the rows of a table."""

from __future__ import annotations

import importlib.metadata
import pathlib
import platform
import statistics
from collections.abc import Mapping, Sequence

from tfwavenet.data import cores


def processor() -> str:
    """Returns the name of the processor, or the architecture if the name is unknown."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def usable_cores() -> int:
    """Returns the number of cores that this process may use."""
    return cores.available()


def versions(packages: Sequence[str]) -> str:
    """Returns the versions of Python and of each installed package as text."""
    found = [f"Python {platform.python_version()}"]
    for package in packages:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def print_machine(packages: Sequence[str] = ("tensorflow", "numpy")) -> None:
    """Prints the hardware and the versions with which the rows of the table were measured."""
    print(f"hardware: {processor()}, {usable_cores()} cores")
    print(f"versions: {versions(packages)}")


def best_and_median(seconds: Sequence[float]) -> tuple[float, float]:
    """Returns the shortest and the median time of the repetitions, in seconds."""
    return min(seconds), statistics.median(seconds)


def print_table(rows: Sequence[Mapping[str, object]]) -> None:
    """Prints rows with equal keys as a Markdown table, floats with four significant digits."""
    columns = list(rows[0])
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells)]
    for line in (columns, ["-" * width for width in widths], *cells):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
