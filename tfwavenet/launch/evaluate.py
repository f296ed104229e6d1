"""Evaluate a trained model on held-out recordings or texts.

    tfwavenet-evaluate --workdir=runs/digits

Computes the loss, lets the model generate the recordings again from their features, and
compares both with the recordings and with Griffin-Lim. Writes `report.json`, `index.html` (open it
in a browser) and WAV files into `<workdir>/evaluation/<split>`. A model over text is measured in
bits per character, and its page shows how it continues what is held out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Optional, cast

from absl import flags, logging

from tfwavenet import evaluation, files
from tfwavenet.data.pipeline import Records
from tfwavenet.data.splits import SPLITS, Split
from tfwavenet.launch import app, sampling
from tfwavenet.models import ParallelWaveNet
from tfwavenet.training import teacher as teachers
from tfwavenet.training import workdir as workdirs

FLAGS = flags.FlagValues()
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of a training run.", required=True, flag_values=FLAGS
)
_SPLIT = flags.DEFINE_enum("split", "test", SPLITS, "Recordings to use.", flag_values=FLAGS)
_MAX_UTTERANCES = flags.DEFINE_integer(
    "max_utterances",
    None,
    "Use this many, spread evenly over the split; default: all.",
    lower_bound=1,
    flag_values=FLAGS,
)
_TEMPERATURE = flags.DEFINE_float(
    "temperature", 1.0, "Of the sampling; 0: no randomness.", lower_bound=0.0, flag_values=FLAGS
)
_SAMPLING = sampling.define_flags(FLAGS)
_SEED = flags.DEFINE_integer("seed", 0, "Of the first utterance.", flag_values=FLAGS)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 8, "Utterances generated together.", lower_bound=1, flag_values=FLAGS
)
_WEIGHTS = flags.DEFINE_enum(
    "weights", "ema", ["ema", "raw"], "Averaged or last weights.", flag_values=FLAGS
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder to write; default: <workdir>/evaluation/<split>.", flag_values=FLAGS
)


def evaluate_workdir(
    workdir: files.PathLike,
    *,
    split: Split = "test",
    weights: workdirs.Weights = "ema",
    max_utterances: Optional[int] = None,
    output_dir: Optional[files.PathLike] = None,
    sampled: Optional[Mapping[str, Any]] = None,
    **options: Any,
) -> dict[str, Any]:
    """Evaluates the newest checkpoint of a workdir on a split of the data it was trained on.

    Args:
        workdir: of a training run.
        split: "train", "validation" or "test".
        weights: "ema" for the averaged weights, "raw" for the last.
        max_utterances: how many recordings to use, spread evenly over the split; None for all.
        output_dir: where to write; `<workdir>/evaluation/<split>` by default.
        sampled: what only some models take, see `sampling.arguments`.
        **options: further arguments of `evaluation.evaluate`, such as `temperature`.

    Returns:
        The report, see `evaluation.evaluate`.

    Raises:
        ValueError: if the folder is no workdir, its data are missing or were prepared by another
            recipe, the split has no recordings, or the teacher of a student is missing.
        OSError: if a file cannot be written.
    """
    loaded = workdirs.load(workdir, weights=weights)
    folder = workdirs.Workdir(workdir)
    records = Records(loaded.config.data.get("records") or folder.path / "data")
    if records.recipe.fingerprint() != loaded.metadata.recipe.fingerprint():
        raise ValueError(
            "the data must have been prepared by the recipe of the model, "
            f"{loaded.metadata.recipe.fingerprint()}. Received: {records.recipe.fingerprint()}"
        )
    numbers = _spread(records.count(split), max_utterances)
    if not numbers:
        raise ValueError(
            f"the data have no recordings for this; choose another split. Received: split={split!r}"
        )
    if isinstance(loaded.model, ParallelWaveNet):
        loaded.model.set_teacher(teachers.load_teacher(loaded.config))
    settings = {"split": split, "weights": weights, "step": loaded.metadata.step}
    return evaluation.evaluate(
        loaded.model,
        (records.utterance(split, number) for number in numbers),
        output_dir=os.fspath(output_dir or folder.evaluation / split),
        speakers=loaded.metadata.speakers or records.speakers,
        settings=settings,
        config=loaded.config.to_dict(),
        sampling=sampling.arguments(loaded.model, **(sampled or {})),
        **{"title": f"{type(loaded.model).__name__}, {loaded.config.data.corpus}", **options},
    )


def _spread(count: int, wanted: Optional[int]) -> list[int]:
    """`wanted` of the numbers below `count`, evenly: neighbours by name are often alike."""
    chosen = count if wanted is None else min(count, wanted)
    return [index * count // chosen for index in range(chosen)]


def _evaluate() -> None:
    report = evaluate_workdir(
        _WORKDIR.value,
        split=cast(Split, _SPLIT.value),
        weights=cast(workdirs.Weights, _WEIGHTS.value),
        output_dir=_OUTPUT.value,
        max_utterances=_MAX_UTTERANCES.value,
        temperature=_TEMPERATURE.value,
        seed=_SEED.value,
        batch_size=_BATCH_SIZE.value,
        sampled=_SAMPLING.values(),
    )
    for line in summary_lines(report):
        logging.info("%s", line)


def summary_lines(report: dict[str, Any]) -> list[str]:
    """The report in a few lines for a terminal.

    Args:
        report: from `evaluation.evaluate`.
    """
    if "text" in report:
        return [_text_line(report["text"])]
    loss = report["loss"]
    bits = loss["bits_per_sample"]
    shown = "" if bits is None else f", {bits:.4f} bits"
    lines = [f"{loss['name']}: {loss['per_sample']:.4f} {loss['unit']}{shown} per sample"]
    for metric in report["metrics"]:
        means = [
            f"{system['label']} {_shown(system['metrics'][metric['name']]['mean'])}"
            for system in report["systems"].values()
            if metric["name"] in system["metrics"]
        ]
        if means:
            lines.append(f"{metric['label']} ({metric['better']} is better): {', '.join(means)}")
    return lines


def _text_line(text: Mapping[str, Any]) -> str:
    ci95 = "" if text["ci95"] is None else f" ± {text['ci95']:.4f}"
    return (
        f"{text['bits_per_character']:.4f}{ci95} bits per character "
        f"({text['unknown_share']:.4%} of {text['characters']} characters are unknown; "
        f"bzip2 takes {text['bz2']:.4f} bits)"
    )


def _shown(mean: Optional[float]) -> str:
    return "none" if mean is None else f"{mean:.3f}"


def main() -> None:
    """Runs the launcher; the entry point of the console script."""
    app.run(_evaluate, FLAGS)


if __name__ == "__main__":
    main()
