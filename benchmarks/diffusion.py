"""Six-step sampling and training of the base DiffWave, against PyTorch at the same shapes.

    python -m benchmarks.diffusion [--torch_python=path/to/python]
    python -m benchmarks.diffusion --dump=FOLDER

Sampling generates 1 s and 5 s of 22.05 kHz audio on all cores. The share of the machine's rate of
matrix products of the same kind is measured in the same process. Every measurement runs in a
process of its own, and the programs alternate for `--rounds` rounds.

Without PyTorch the rows of PyTorch are omitted. `--torch_python` names an interpreter with PyTorch.
`--dump` measures nothing: it writes the XLA programs of one reverse step and their arguments, see
`benchmarks.programs`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks import report, turns

RATE, HOP, MELS = 22050, 256, 80
FAST = (1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5)
# Multiply-adds per sample: of each step without the conditioning, and of the conditioning, which is
# computed once.
STEP_PRODUCTS = 30 * (3 * 64 * 128 + 2 * 64 * 64) + 64 * 64
CONDITIONING_PRODUCTS = 30 * MELS * 128
FRAMES = {"1 s": 86, "5 s": 431}
PRECISIONS = ("float32", "mixed_bfloat16")


def build_model(precision: str) -> Any:
    """Creates the base DiffWave under a precision policy."""
    import keras  # noqa: PLC0415

    from tfwavenet.models import DiffWave  # noqa: PLC0415

    keras.mixed_precision.set_global_policy(precision)
    settings = {"scales": (16, 16), "overlap": 2, "negative_slope": 0.4, "weight_norm": False}
    model = DiffWave(
        upsampler={"class_name": "TransposedUpsampler", "config": settings}, local_channels=MELS
    )
    model.build()
    return model


def repeated(task: Callable[[], Any], repetitions: int) -> list[float]:
    """Returns the seconds of each repetition of a task, without a first call that compiles."""
    seconds = []
    for _ in range(repetitions + 1):
        start = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def product_rate(precision: str) -> float:
    """Measures this machine's multiply-adds per second in products of the network's kind."""
    import tensorflow as tf  # noqa: PLC0415

    dtype = tf.float32 if precision == "float32" else tf.bfloat16
    left, right = tf.ones([16384, 192], dtype), tf.ones([192, 128], dtype)
    program = tf.function(lambda: tf.matmul(left, right))
    return 16384 * 192 * 128 / min(repeated(program, 30))


def measure(flags: argparse.Namespace) -> dict[str, Any]:
    """Runs one measurement in this process."""
    import keras  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    model = build_model(flags.precision)
    if flags.task == "sample":
        mel = np.random.default_rng(0).random((flags.frames, MELS), np.float32)
        seconds = repeated(
            lambda: model.generate(mel, schedule=FAST, jit_compile=flags.xla), flags.repetitions
        )
        work = flags.frames * HOP * (len(FAST) * STEP_PRODUCTS + CONDITIONING_PRODUCTS)
        share = work / min(seconds) / product_rate(flags.precision)
        return {"seconds": seconds, "share": share}
    model.compile(keras.optimizers.Adam(2e-4, epsilon=1e-8))
    generator = np.random.default_rng(0)
    shape = (flags.batch, flags.frames * HOP)
    batch = {
        "audio": generator.uniform(-0.5, 0.5, shape).astype(np.float32),
        "mel": generator.random((flags.batch, flags.frames, MELS), np.float32),
    }
    return {"seconds": repeated(lambda: model.train_on_batch(batch), flags.repetitions)}


def dump(model: Any, frames: int, folder: str, name: str) -> None:
    """Writes the XLA program of a reverse step of one utterance, and the program's arguments."""
    import numpy as np  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    from benchmarks import programs  # noqa: PLC0415
    from tfwavenet import rng  # noqa: PLC0415
    from tfwavenet.generation import conditioning_windows, request, reverse_diffusion  # noqa: PLC0415

    mel = np.zeros([frames, model.local_channels], np.float32)
    asked = request.Request.create(model, mel=mel)
    samples = int(asked.samples[0])
    condition, step = reverse_diffusion.compiled_programs(model, True)
    seeds, zero = rng.make_seed(0)[tf.newaxis], tf.constant(0, tf.int64)
    programs.dump(
        folder,
        name,
        step,
        reverse_diffusion.noise_of(seeds, len(FAST), zero, samples),
        condition(conditioning_windows.Windows(model, asked).window(0, samples)),
        mask=tf.ones([1, samples], tf.bool),
        step=tf.constant(0.0),
        factors=tf.ones([3]),
        seeds=seeds,
        stream=tf.constant(0),
        position=zero,
        around=0,
        limit=tf.constant(1.0),
    )


def compared(task: list[str], flags: argparse.Namespace) -> dict[str, list[float]]:
    """Measures the programs of this package and of PyTorch, and returns the seconds by name."""
    ours = [sys.executable, "-m", "benchmarks.diffusion", "--measure", *task]
    commands = {name: [*ours, f"--precision={name}"] for name in PRECISIONS}
    if "--task=sample" in task:
        commands["float32, XLA"] = [*ours, "--precision=float32", "--xla"]
    peers = []
    if python := turns.peer_python(flags.torch_python):
        theirs = [python, "-m", "benchmarks.peer_diffwave_torch", *task]
        commands["PyTorch float32"] = theirs
        peers = ["PyTorch float32"]
        if "--task=sample" in task:
            commands["PyTorch bfloat16"] = [*theirs, "--autocast"]
            peers.append("PyTorch bfloat16")
    return turns.in_turns(commands, flags.rounds, peers=peers)


def rows(what: str, seconds: dict[str, list[float]], audio_seconds: float) -> list[dict[str, Any]]:
    """Returns the rows of the table of one task."""
    peer = seconds.get("PyTorch float32")
    found = []
    for name, values in seconds.items():
        best, median = report.best_and_median(values)
        found.append(
            {
                "task": what,
                "program": name,
                "best s": best,
                "median s": median,
                "time / duration": best / audio_seconds,
                "time / PyTorch float32": best / min(peer) if peer else "not measured",
            }
        )
    return found


def main() -> None:
    """Prints the tables. With --measure, prints one measurement as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--torch_python", help="path of a Python interpreter with PyTorch")
    parser.add_argument("--dump", help="folder for XLA programs; if given, nothing is measured")
    for name, default in (("task", "sample"), ("precision", "float32")):
        parser.add_argument(f"--{name}", default=default, help=argparse.SUPPRESS)
    for name, count in (("frames", 62), ("batch", 1)):
        parser.add_argument(f"--{name}", type=int, default=count, help=argparse.SUPPRESS)
    for name in ("xla", "measure"):
        parser.add_argument(f"--{name}", action="store_true", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.measure:
        print(json.dumps(measure(flags)))
        return
    if flags.dump:
        for precision, (length, frames) in itertools.product(PRECISIONS, FRAMES.items()):
            name = f"diffwave_{precision}_{length.replace(' ', '_')}"
            dump(build_model(precision), frames, flags.dump, name)
        return
    report.print_machine()
    common = f"--repetitions={flags.repetitions}"
    for length, frames in FRAMES.items():
        task = ["--task=sample", f"--frames={frames}", common]
        report.print_table(rows(f"6 steps, {length}", compared(task, flags), frames * HOP / RATE))
    for batch in (1, 4):
        task = ["--task=train", "--frames=62", f"--batch={batch}", common]
        duration = batch * 62 * HOP / RATE
        report.print_table(
            rows(f"training step, {batch} x 15 872", compared(task, flags), duration)
        )
    for precision, (length, frames) in itertools.product(PRECISIONS, FRAMES.items()):
        arguments = ["--measure", "--task=sample", f"--frames={frames}", f"--precision={precision}"]
        found = turns.measured([sys.executable, "-m", "benchmarks.diffusion", *arguments], {})
        share = f"{100 * found['share']:.0f} % of the rate of matrix products"
        print(f"6 steps, {length}, {precision}: {share}")


if __name__ == "__main__":
    main()
