"""Comparison of the time that vocoders take for the same seconds of 22.05 kHz audio.

    python -m benchmarks.vocoders [--seconds=5] [--rounds=2]

The vocoders are a parallel student of ClariNet's size, the student's Gaussian WaveNet teacher, the
base DiffWave in six steps, and Griffin-Lim. All use 80 mels and all cores. A ratio of time to
duration below 1 is faster than real time. Every measurement runs in a process of its own, and the
vocoders alternate.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import diffusion, report, turns
from tfwavenet.audio import griffin_lim, recipes
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.training import building
from tfwavenet.training.config import resolve

RATE, HOP = 22050, 256
SYSTEMS = {
    "student, float32": ("clarinet", "float32"),
    "student, mixed_bfloat16": ("clarinet", "mixed_bfloat16"),
    "its teacher, float32": ("r9y9_gaussian", "float32"),
    "DiffWave, 6 steps, float32": ("diffwave_base", "float32"),
    "DiffWave, 6 steps, mixed_bfloat16": ("diffwave_base", "mixed_bfloat16"),
    "Griffin-Lim, 60 iterations": ("griffin_lim", "float32"),
}


def products(flow: Any) -> int:
    """Returns the multiply-adds of a flow per sample."""
    block, last = flow.blocks[0], flow.num_layers - 1
    half = block.gate_channels // 2
    inner = block.gate_channels * (block.kernel_size * block.residual_channels)
    conditioning = block.gate_channels * block.local_channels
    layers = flow.num_layers * (inner + conditioning + half * block.skip_channels)
    return layers + last * half * block.residual_channels + flow.skip_channels**2


def measure(flags: argparse.Namespace) -> dict[str, Any]:
    """Runs one measurement in this process.

    Returns:
        The `seconds` of each repetition, and as `share` the student's rate of multiply-adds over
        the rate of matrix products. For other vocoders `share` is None.
    """
    mel = np.random.default_rng(0).random((round(flags.seconds * RATE / HOP), 80), np.float32)
    task, model = _task(flags.config, flags.precision, mel)
    seconds = diffusion.repeated(task, flags.repetitions)
    share = None
    if flags.config == "clarinet":
        work = len(mel) * HOP * sum(products(flow) for flow in model.blocks)
        share = work / min(seconds) / diffusion.product_rate(flags.precision)
    return {"seconds": seconds, "share": share}


def _task(config: str, precision: str, mel: Any) -> tuple[Callable[[], Any], Any]:
    """Returns a function that generates the audio of `mel`, and the model or None."""
    if config == "griffin_lim":
        return lambda: griffin_lim.griffin_lim(mel, _recipe("r9y9"), iterations=60), None
    model = _model(config, precision)
    options = {"schedule": diffusion.FAST} if config == "diffwave_base" else {}
    return lambda: model.generate(mel, **options), model


def _model(config: str, precision: str) -> Any:
    """Creates the untrained network of a config; biases keep the audio of a student small."""
    resolved = resolve(importlib.import_module(f"configs.{config}").get_config())
    recipe = _recipe(resolved.recipe)
    model = building.build_model(resolved, recipe=recipe, speakers=[], precision=precision)
    for flow in getattr(model, "blocks", []) if config == "clarinet" else []:
        flow.head[1].layer.bias.assign([0.0, -1.0])
    return model


def _recipe(name: str) -> FeatureRecipe:
    """Returns a recipe, with statistics if the recipe needs them."""
    recipe = recipes.get(name)
    if recipe.normalization != "standard":
        return recipe
    return recipe.with_statistics(np.zeros(recipe.n_mels), np.ones(recipe.n_mels))


def main() -> None:
    """Prints the table. With --measure, prints one measurement as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="duration of the audio, in seconds"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=2)
    for name in ("config", "precision"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.measure:
        print(json.dumps(measure(flags)))
        return
    report.print_machine()
    common = [f"--seconds={flags.seconds}", f"--repetitions={flags.repetitions}"]
    program = [sys.executable, "-m", "benchmarks.vocoders", "--measure", *common]
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in SYSTEMS}
    for _ in range(flags.rounds):
        for name, (config, precision) in SYSTEMS.items():
            command = [*program, f"--config={config}", f"--precision={precision}"]
            results[name].append(turns.measured(command, {}))
    report.print_table([row(name, found, flags.seconds) for name, found in results.items()])


def row(name: str, found: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Returns a row of the table from the measurements of a vocoder."""
    best, median = report.best_and_median([s for one in found for s in one["seconds"]])
    shares = [one["share"] for one in found if one["share"] is not None]
    return {
        "system": name,
        "best s": best,
        "median s": median,
        "time / duration": best / seconds,
        "of products": max(shares) if shares else "",
    }


if __name__ == "__main__":
    main()
