"""Measurements: `python -m benchmarks.<name>` prints a table with the hardware and versions."""
