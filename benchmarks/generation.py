"""Autoregressive generation of the networks in configs/, and its share of the machine's limits.

    python -m benchmarks.generation [--networks reference fsdd] [--batch 1 8 64] [--cores 2]
    python -m benchmarks.generation --growth
    python -m benchmarks.generation --dump=FOLDER

`reference` has 20 layers, 64 residual and 256 skip channels, 256 codes, two taps, no features. Each
row is measured in a process of its own. The time is that of a whole call of `model.generate`, which
generates all utterances of the batch at the same time.

In every step each core reads all weights once for its share of the batch. `of reading` is the rate
of these reads over the rate at which the same cores read memory of that size. `of products` is the
rate of multiplications over the rate in large float32 matrix products. Both limits are measured in
the same process. `real-time factor` is the time over the duration of one utterance of the batch.
For `text`, 16 000 characters count as a second.

A folded row is one utterance of ten seconds, and its batch consists of the pieces of the utterance.
The overlaps of the pieces are not counted twice in samples/s. With PyTorch, installed or in the
interpreter of `--torch_python`, the rows of `r9y9_mol` are compared with the same network in
PyTorch, step by step.

`--growth` shows how the time of a step depends on several sizes. The time grows with layers and
batch, and does not depend on receptive field and position. `--dump` writes the XLA program of each
row that is not folded and the program's arguments, see `benchmarks.programs`. One program then
generates the whole batch, as on a GPU.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks import report, turns

CONFIGS = (
    "voice",
    "fsdd",
    "codejin",
    "unconditional",
    "r9y9_mol",
    "r9y9_gaussian",
    "r9y9_mulaw256",
    "nv_wavenet",
    "multispeaker",
    "fullband",
    "text",
)
# Networks with a row for one utterance, cut into pieces that are generated at the same time.
FOLDED = ("r9y9_mol",)
# The overlap is two receptive fields of two frames each: one before each piece, one for the fade.
FOLD: dict[str, int] = {"samples": 220_500, "fold_frames": 16, "overlap_frames": 4}
# The network that `benchmarks.peer_torch` has in PyTorch, and the samples that PyTorch generates.
PEER, PEER_SAMPLES = "r9y9_mol", 512
CHUNK = 1024
REFERENCE_RATE = 16000
GROWTH: dict[str, list[dict[str, int]]] = {
    "num_layers": [{"num_layers": count} for count in (5, 10, 20, 40)],
    "receptive field": [{"dilation_cycle": cycle} for cycle in (1, 4, 7, 10)],
    "position": [{"samples": samples} for samples in (2048, 8192, 32768)],
    "batch": [{"batch": batch} for batch in (1, 2, 4, 8, 16, 32, 64)],
}


def build_model(name: str, **sizes: Any) -> Any:
    """Creates a network of configs/, or `reference` with the given sizes."""
    import numpy as np  # noqa: PLC0415  (the parent process does not need TensorFlow)

    from tfwavenet.audio import recipes  # noqa: PLC0415
    from tfwavenet.models import WaveNet  # noqa: PLC0415
    from tfwavenet.text import TextRecipe  # noqa: PLC0415
    from tfwavenet.training import building  # noqa: PLC0415
    from tfwavenet.training.config import resolve  # noqa: PLC0415

    if name == "reference":
        model = WaveNet(**{"skip_mode": "sum", **sizes})
        model.build()
        return model
    config = resolve(importlib.import_module(f"configs.{name}").get_config())
    settings = config.recipe if isinstance(config.recipe, str) else config.recipe.to_dict()
    recipe = recipes.of_any_kind(settings)
    if isinstance(recipe, TextRecipe):
        characters = [chr(ord("A") + number) for number in range(recipe.classes - 1)]
        recipe = dataclasses.replace(recipe, characters="".join(characters))
    elif recipe.normalization == "standard":
        recipe = recipe.with_statistics(np.zeros(recipe.n_mels), np.ones(recipe.n_mels))
    speakers = [f"speaker {i}" for i in range(config.model.get("num_speakers") or 8)]
    return building.build_model(config, recipe=recipe, speakers=speakers, precision="float32")


def weight_bytes(model: Any) -> int:
    """Returns the bytes of the folded weights that one step reads.

    The weights of the input convolution are not counted: of a look-up table, a step reads one row.
    """
    import tensorflow as tf  # noqa: PLC0415

    weights = model.network.folded_weights()
    used = tf.nest.flatten([weights["blocks"], weights["head"]])
    return sum(w.shape.num_elements() * w.dtype.size for w in used if w is not None)


def best_seconds(task: Callable[[], Any], seconds: float = 0.5) -> float:
    """Repeats a task for a number of seconds, and returns the shortest time of a repetition."""
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        task()
        best = min(best, time.perf_counter() - begin)
    return best


def limits(size_bytes: int) -> tuple[float, float]:
    """Measures the limits of this machine.

    Args:
        size_bytes: size of the memory that is read repeatedly.

    Returns:
        The bytes per second of reading, and the operations per second of matrix products.
    """
    import numpy as np  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    matrix = np.ones([max(1, size_bytes // 4 // 256), 256], np.float32)
    vector, square = np.ones([256], np.float32), tf.ones([1024, 1024])
    multiply = tf.function(lambda: tf.matmul(square, square))
    read_seconds = best_seconds(lambda: [matrix @ vector for _ in range(20)]) / 20
    return matrix.nbytes / read_seconds, 2 * 1024**3 / best_seconds(multiply)


def peak_megabytes() -> float:
    """Returns the largest resident memory of this process so far, in megabytes."""
    try:
        import resource  # noqa: PLC0415  (not on Windows)
    except ImportError:
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def utterances(model: Any, batch: int, samples: int) -> dict[str, Any]:
    """Returns arguments of `generate` for a batch of utterances of at least `samples` samples."""
    import numpy as np  # noqa: PLC0415

    given: dict[str, Any] = {"seed": list(range(batch))}
    if model.upsampler:
        frames = -(-samples // model.upsampler.hop_samples)
        given["mel"] = [np.zeros([frames, model.local_channels], np.float32)] * batch
    else:
        given["samples"] = samples
    return {**given, "speaker": 0} if model.speaker_channels else given


def schedule(
    model: Any, samples: int, count: int, *, fold_frames: int = 0, overlap_frames: int = 0
) -> dict[str, int]:
    """Returns how many sequences are generated at the same time, and the steps of each sequence."""
    if not fold_frames:
        return {"batch": count, "steps": samples}
    hop = model.upsampler.hop_samples
    pieces = -(-samples // (fold_frames * hop))
    return {"batch": pieces, "steps": (fold_frames + overlap_frames) * hop}


def dump(model: Any, options: dict[str, Any], folder: str, name: str) -> None:
    """Writes the XLA program of a chunk of the whole batch, and the program's arguments."""
    from benchmarks import programs  # noqa: PLC0415
    from tfwavenet.generation import (  # noqa: PLC0415
        chunk,
        conditioning_windows,
        request,
        sampler,
    )

    asked = request.Request.create(model, **options)
    program = chunk.Program(model, sampler=sampler.Sampler(), chunk_samples=CHUNK, jit_compile=True)
    arguments = program.arguments(
        program.initial_state(len(asked.seeds)),
        conditioning_windows.Windows(model, asked).window(0, program.chunk_samples),
        asked.seeds,
    )
    programs.dump(folder, name, chunk.compiled_advance(model, True), *arguments)


def measure(flags: argparse.Namespace) -> dict[str, Any]:
    """Runs one measurement in this process."""
    if flags.cores and hasattr(os, "sched_setaffinity"):
        # Before NumPy and TensorFlow start their threads.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: flags.cores])
    model = build_model(flags.network, **json.loads(flags.sizes))
    options = utterances(model, flags.count, flags.samples)
    fold = json.loads(flags.fold)
    at_once = None if fold else flags.count
    seconds = []
    for _ in range(flags.repetitions + 1):
        begin = time.perf_counter()
        audio = model.generate(**options, **fold, batch_size=at_once, chunk_samples=CHUNK)
        seconds.append(time.perf_counter() - begin)
    size, megabytes = weight_bytes(model), peak_megabytes()
    reading, products = limits(size)
    if flags.dump:
        dump(model, options, flags.dump, f"{flags.network}_batch_{flags.count}")
    return {
        "seconds": seconds[1:],
        "first": seconds[0],
        "samples": flags.count * len(audio[0]),
        **schedule(model, len(audio[0]), flags.count, **fold),
        "rate": getattr(model.recipe, "sample_rate", REFERENCE_RATE),
        "receptive field": model.receptive_field,
        "bytes": size,
        "reading": reading,
        "products": products,
        "megabytes": megabytes,
    }


def row(name: str, flags: argparse.Namespace, **sizes: int) -> dict[str, Any]:
    """Measures one row of the table in a process of its own."""
    batch = sizes.pop("batch", 1)
    samples = sizes.pop("samples", 4 * CHUNK)
    fold = {key: sizes.pop(key) for key in ("fold_frames", "overlap_frames") if key in sizes}
    command = [sys.executable, "-m", "benchmarks.generation", "--measure"]
    command += [f"--network={name}", f"--count={batch}", f"--samples={samples}"]
    command += [f"--repetitions={flags.repetitions}", f"--sizes={json.dumps(sizes)}"]
    command += [f"--fold={json.dumps(fold)}"]
    command += [f"--dump={flags.dump}"] if flags.dump and not fold else []
    found = turns.measured([*command, f"--cores={flags.cores}"], {})
    best, median = report.best_and_median(found["seconds"])
    rate, batch = found["samples"] / best, found["batch"]
    step, cores = best / found["steps"], flags.cores or report.usable_cores()
    print(f"{name}, batch {batch}: {rate:,.0f} samples/s", file=sys.stderr, flush=True)
    return {
        "network": f"{name}, folded" if fold else name,
        "batch": batch,
        "samples/s": rate,
        "median": found["samples"] / median,
        "real-time factor": found["rate"] * (1 if fold else batch) / rate,
        "us per step": 1e6 * step,
        "of reading": found["bytes"] * min(batch, cores) / step / found["reading"],
        "of products": found["bytes"] / 4 * 2 * batch / step / found["products"],
        "receptive field": found["receptive field"],
        "compile s": found["first"] - best,
        "MB": found["megabytes"],
    }


def peer_rate(flags: argparse.Namespace, batch: int) -> float | None:
    """Measures the samples per second of the network in PyTorch; None without PyTorch."""
    python = turns.peer_python(flags.torch_python)
    if python is None:
        return None
    command = [python, "-m", "benchmarks.peer_torch", "--generate", f"--batch={batch}"]
    command += [f"--samples={PEER_SAMPLES}", f"--steps={flags.repetitions}"]
    command += [f"--threads={flags.cores or report.usable_cores()}"]
    return batch * PEER_SAMPLES / min(turns.measured(command, turns.PEER_ENVIRONMENT)["seconds"])


def compared(found: dict[str, Any], flags: argparse.Namespace) -> dict[str, Any]:
    """Adds to a row the ratio of its speed to the speed of PyTorch, if PyTorch is measured."""
    rate = peer_rate(flags, found["batch"]) if found["network"] == PEER else None
    return {**found, "x PyTorch": "" if rate is None else found["samples/s"] / rate}


def growth(flags: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures how the time of a step depends on each size of `GROWTH`, one size at a time."""
    rows = []
    for what, sizes in GROWTH.items():
        for size in sizes:
            found = row("reference", flags, **size)
            value = found[what] if what in found else next(iter(size.values()))
            rows.append({"what": what, "value": value, **found})
    return rows


def plot(rows: list[dict[str, Any]], path: str) -> None:
    """Draws the time of a step over each size of `GROWTH`, to an image file."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(3 * len(GROWTH), 3), layout="constrained")
    for axes, what in zip(figure.subplots(1, len(GROWTH)), GROWTH):
        points = [(r["value"], r["us per step"]) for r in rows if r["what"] == what]
        axes.plot(*zip(*points), marker="o")
        axes.set_xlabel(what)
        axes.set_ylim(0, 1.1 * max(us for _, us in points))
    figure.axes[0].set_ylabel("us per step")
    figure.savefig(path)


def main() -> None:
    """Prints the tables. With --measure, prints one measurement as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["reference", *CONFIGS])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument(
        "--cores", type=int, default=0, help="number of cores to use; if 0, all cores"
    )
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument(
        "--growth", action="store_true", help="measure the time of a step over several sizes"
    )
    parser.add_argument("--json", help="JSON file for all rows")
    parser.add_argument("--plot", help="image file for a plot of --growth, such as growth.png")
    parser.add_argument("--torch_python", help="path of a Python interpreter with PyTorch")
    parser.add_argument("--dump", help="folder for the XLA program of each row of the table")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--network", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--samples", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--sizes", default="{}", help=argparse.SUPPRESS)
    parser.add_argument("--fold", default="{}", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.growth and flags.dump:
        parser.error("--dump is for the table, not for --growth")
    if flags.measure:
        print(json.dumps(measure(flags)))
        return
    report.print_machine()
    if flags.growth:
        rows = growth(flags)
    else:
        rows = [row(name, flags, batch=batch) for name in flags.networks for batch in flags.batch]
        rows += [row(name, flags, **FOLD) for name in flags.networks if name in FOLDED]
        rows = [compared(found, flags) for found in rows]
    report.print_table(rows)
    if flags.json:
        pathlib.Path(flags.json).write_text(json.dumps(rows, indent=2), encoding="utf-8")
    if flags.growth and flags.plot:
        plot(rows, flags.plot)


if __name__ == "__main__":
    main()
