"""Samples per second of autoregressive generation on one core, and the share of the limit.

    python -m benchmarks.generation [--batch 1 8]

At batch 1 every weight is read once per sample, so the limit is the rate at which one core reads
memory of the size of the weights; that rate is measured in the same run, by summing an array of
that size. One core is used throughout: XLA runs a program on one thread.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

# Before TensorFlow and NumPy start their threads.
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import tensorflow as tf

from benchmarks import report
from tfwavenet.generation import Request
from tfwavenet.generation.autoregressive import Program
from tfwavenet.generation.windows import Windows
from tfwavenet.layers import StretchUpsampler
from tfwavenet.models import WaveNet

CHUNK = 1024


def upsampler(*scales: int) -> StretchUpsampler:
    """The upsampler of the conditional sizes."""
    return StretchUpsampler(scales, padding_frames=2, input_context=True)


SIZES: dict[str, dict[str, Any]] = {
    "L20 R64 S256 A256 k2": {"skip_mode": "sum"},
    "the same, 80 mels": {"upsampler": upsampler(4, 4, 4, 4), "local_channels": 80},
    "r9y9 mol: L24 R128 S128 k3": {
        "layers": 24,
        "dilation_cycle": 6,
        "residual_channels": 128,
        "gate_channels": 256,
        "skip_channels": 128,
        "kernel_size": 3,
        "distribution": "MixtureOfLogistics",
        "upsampler": upsampler(4, 4, 4, 4),
        "local_channels": 80,
    },
}


def weight_bytes(model: WaveNet) -> int:
    """Bytes of the folded weights that one step reads; of look-up tables, one row."""
    weights = model.folded_weights()
    used = tf.nest.flatten([weights["blocks"], weights["head"]])
    return sum(w.shape.num_elements() * w.dtype.size for w in used if w is not None)


def read_rate(size_bytes: int, seconds: float = 0.5) -> float:
    """Bytes per second at which this core reads an array of this size again and again."""
    matrix = np.ones([size_bytes // 4 // 256, 256], np.float32)
    vector, best = np.ones([256], np.float32), np.inf
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        for _ in range(20):
            matrix @ vector
        best = min(best, (time.perf_counter() - begin) / 20)
    return matrix.nbytes / best


def measured(model: WaveNet, batch: int, repetitions: int) -> tuple[list[float], float]:
    """Seconds of each repetition of a chunk, and of the first call, which compiles."""
    frames = CHUNK // model.upsampler.hop_samples if model.upsampler else 0
    request = Request.create(
        model,
        mel=np.zeros([batch, frames, model.local_channels or 0]) if frames else None,
        speaker=None,
        samples=None if frames else CHUNK,
        seed=list(range(batch)),
        prime=None,
    )
    program = Program(model, temperature=1.0, chunk_samples=CHUNK, jit_compile=True)
    state, window = program.initial_state(batch), Windows(model, request).window(0, CHUNK)
    seconds = []
    for _ in range(repetitions + 1):
        begin = time.perf_counter()
        values, state = program(state, window, request.seeds)
        values.numpy()
        seconds.append(time.perf_counter() - begin)
    return seconds[1:], seconds[0]


def row(name: str, batch: int, repetitions: int) -> dict[str, object]:
    """One line of the table."""
    model = WaveNet(**SIZES[name])
    model.build()
    seconds, first = measured(model, batch, repetitions)
    best, median = report.best_and_median(seconds)
    size = weight_bytes(model)
    return {
        "network": name,
        "batch": batch,
        "samples/s (best)": CHUNK * batch / best,
        "(median)": CHUNK * batch / median,
        "us per step": 1e6 * best / CHUNK,
        "weights MB": size / 1e6,
        "read limit us": 1e6 * size / read_rate(size),
        "GFLOP/s": size / 4 * 2 * batch * CHUNK / best / 1e9,
        "compile s": first,
    }


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--repetitions", type=int, default=7)
    flags = parser.parse_args()
    report.print_machine()
    report.print_table(
        [row(name, batch, flags.repetitions) for name in SIZES for batch in flags.batch]
    )


if __name__ == "__main__":
    main()
