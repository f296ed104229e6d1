"""Seconds per training step of a WaveNet, against PyTorch at the same shapes.

    python -m benchmarks.training [--torch_python=path/to/python]

The network is r9y9's `mol` preset (24 layers, 3.7 million weights, weight normalization, mixture
of logistics, Adam). Two logical devices share the batch and the cores of the CPU. Each row runs in
a process of its own, so that the frameworks do not share the cores. The rows alternate for
`--rounds` rounds, so that a slow minute of the machine affects all rows. The first step of a
process, which compiles, is not counted.

PyTorch runs with the allocator settings that are fastest for it. Without PyTorch, the row of
PyTorch is omitted. `--torch_python` names an interpreter with PyTorch.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from benchmarks import report, turns

OURS = {
    "float32": ["--precision=float32"],
    "float32, XLA": ["--precision=float32", "--xla"],
    "mixed_bfloat16": ["--precision=mixed_bfloat16"],
    "float32, two devices": ["--precision=float32", "--devices=2"],
}
PEER = "PyTorch float32"


def build_model(precision: str, *, jit_compile: bool) -> Any:
    """Creates the r9y9 `mol` network, compiled for training."""
    import keras  # noqa: PLC0415

    from tfwavenet.models.wavenet import WaveNet  # noqa: PLC0415

    keras.mixed_precision.set_global_policy(precision)
    upsampler = {"scales": (4, 4, 4, 4), "padding_frames": 2, "input_context": True}
    model = WaveNet(
        num_layers=24,
        dilation_cycle=6,
        residual_channels=128,
        gate_channels=256,
        skip_channels=128,
        kernel_size=3,
        distribution="MixtureOfLogistics",
        upsampler={"class_name": "StretchUpsampler", "config": upsampler},
        local_channels=80,
        last_residual=True,
    )
    optimizer = keras.optimizers.Adam(1e-3, epsilon=1e-8)
    model.compile(optimizer, jit_compile=jit_compile)
    return model


def devices(count: int) -> Any:
    """Returns the strategy of training on logical devices of the CPU; the default one for one."""
    import tensorflow as tf  # noqa: PLC0415

    if count == 1:
        return tf.distribute.get_strategy()
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * count
    )
    return tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(count)])


def timed_steps(model: Any, batch: int, samples: int, steps: int) -> list[float]:
    """Returns the seconds of each training step, without a first step that compiles."""
    import numpy as np  # noqa: PLC0415

    generator = np.random.default_rng(0)
    inputs = {
        "audio": generator.uniform(-0.1, 0.1, (batch, samples)).astype(np.float32),
        "mel": generator.uniform(0, 1, (batch, samples // 256 + 4, 80)).astype(np.float32),
    }
    seconds = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        model.train_on_batch(inputs)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def rows(flags: argparse.Namespace) -> list[dict[str, object]]:
    """Measures all programs alternately, and returns the rows of the table."""
    sizes = [f"--{key}={getattr(flags, key)}" for key in ("batch", "samples", "steps")]
    this = [sys.executable, "-m", "benchmarks.training", *sizes]
    commands = {name: [*this, *options, "--measure"] for name, options in OURS.items()}
    if python := turns.peer_python(flags.torch_python):
        commands[PEER] = [python, "-m", "benchmarks.peer_torch", *sizes]
    seconds = turns.in_turns(commands, flags.rounds, peers=[PEER])
    return [row(name, seconds, flags) for name in seconds]


def row(name: str, seconds: dict[str, list[float]], flags: argparse.Namespace) -> dict[str, object]:
    """Returns one row of the table, whose last column compares the best times."""
    best, median = report.best_and_median(seconds[name])
    peer = f"{best / min(seconds[PEER]):.2f}" if PEER in seconds else "not measured"
    return {
        "training step": name,
        "best s": best,
        f"median s of {len(seconds[name])}": median,
        "samples/s": flags.batch * flags.samples / best,
        "time / PyTorch's": peer,
    }


def main() -> None:
    """Prints the table. With --measure, prints one measurement as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--samples", type=int, default=10240)
    parser.add_argument("--steps", type=int, default=5, help="number of measured steps per process")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--torch_python", help="path of a Python interpreter with PyTorch")
    parser.add_argument("--precision", default="float32", help=argparse.SUPPRESS)
    parser.add_argument("--devices", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--xla", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.measure:
        with devices(flags.devices).scope():
            model = build_model(flags.precision, jit_compile=flags.xla)
        print(json.dumps({"seconds": timed_steps(model, flags.batch, flags.samples, flags.steps)}))
        return
    report.print_machine()
    print(f"r9y9 `mol` network, batch {flags.batch} x {flags.samples} samples")
    report.print_table(rows(flags))


if __name__ == "__main__":
    main()
