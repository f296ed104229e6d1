"""Evaluates a model: held-out loss, copy synthesis or continuations, metrics, report and page."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

from absl import logging

from tfwavenet import files
from tfwavenet.audio import audio_files
from tfwavenet.evaluation import page, report, synthesis, text_continuation
from tfwavenet.evaluation.loss import held_out_loss
from tfwavenet.evaluation.utterances import Utterance
from tfwavenet.models.audio_model import AudioModel

REPORT = "report.json"
PAGE = "index.html"
AUDIO = "audio"


def evaluate(
    model: AudioModel,
    utterances: Iterable[Utterance],
    *,
    output_dir: files.PathLike,
    speakers: Sequence[str] = (),
    temperature: float = 1.0,
    seed: int = 0,
    batch_size: Optional[int] = None,
    join_seconds: float = 4.0,
    page_segments: int = 8,
    griffin_lim_iterations: int = 60,
    others: Optional[Mapping[str, AudioModel]] = None,
    sampling: Optional[Mapping[str, Any]] = None,
    title: str = "WaveNet",
    settings: Optional[Mapping[str, Any]] = None,
    config: Optional[Mapping[str, Any]] = None,
) -> dict[str, Any]:
    """Measures a model on held-out utterances and writes the results.

    Writes into `output_dir`: `report.json`; `index.html`, one page without other files, with
    audio, spectrograms and the table; and `audio/<utterance>.<system>.wav` for every utterance.

    The loss is computed on whole utterances, every sample counted once. For the metrics, the
    model generates every utterance from its mel, and so does Griffin-Lim. Both are compared with
    the recording. A model without features is measured by its loss alone.

    A model over text is measured in bits per character, and continues held-out texts, see
    `text_continuation.evaluate`. There are no sound files then.

    Args:
        model: a model with a recipe.
        utterances: held-out utterances, such as from `data.Records.utterances`.
        output_dir: folder to write; made if missing. Files of an earlier evaluation are replaced
            one by one.
        speakers: names of the speakers, by number.
        temperature: temperature of the sampling, see the model's `generate`.
        seed: seed of the first utterance; the i-th takes `seed + i`.
        batch_size: number of utterances generated together, see `synthesis.batch_size_for`.
        join_seconds: shorter utterances of one speaker are joined up to this length before they
            are measured, see `utterances.joined`. If 0, each is measured by itself.
        page_segments: number of (joined) utterances on the page.
        griffin_lim_iterations: number of iterations of Griffin-Lim.
        others: further models that take the same features, by the label that they get on the
            page. They generate the utterances too.
        sampling: further arguments of the model's `generate`.
        title: title of the page.
        settings: further facts for the report, such as split, weights and step.
        config: config of the experiment, shown on the page.

    Returns:
        The report, equal to `report.json`; see `report.build`.

    Raises:
        ValueError: If the model has no recipe, there is no utterance, or one does not fit.
        OSError: If a file cannot be written.
    """
    recipe = model.recipe
    if recipe is None:
        raise ValueError("A model with a feature recipe is expected. Received: recipe=None")
    items = list(utterances)
    logging.info("evaluation: loss of %d utterances", len(items))
    loss = held_out_loss(model, items)
    options: dict[str, Any] = {**(settings or {}), "temperature": temperature, "seed": seed}
    options.update({name: str(value) for name, value in (sampling or {}).items()})
    about = {
        "title": title,
        "command": shlex.join([os.path.basename(sys.argv[0]), *sys.argv[1:]]),
        "model": _describe(model),
        "settings": options,
    }
    if model.writes_text:
        drawing = {"seed": seed, "temperature": temperature, **(sampling or {})}
        result, html = text_continuation.evaluate(
            model, items, loss=loss, about=about, sampling=drawing, config=config
        )
        _write(output_dir, result, html)
        return result
    options["join_seconds"] = join_seconds
    recordings = synthesis.recordings(items, recipe)
    systems = synthesis.systems(
        model,
        items,
        seed=seed,
        temperature=temperature,
        sampling=sampling,
        batch_size=batch_size,
        griffin_lim_iterations=griffin_lim_iterations,
        others=others,
    )
    found = report.segments(
        items,
        recordings,
        systems,
        speakers=speakers,
        least_samples=round(join_seconds * recipe.sample_rate),
    )
    logging.info("evaluation: metrics of %d segments", len(found))
    table = report.score(found, systems, sample_rate=recipe.sample_rate)
    result = report.build(
        loss=loss,
        found=found,
        systems=systems,
        table=table,
        sample_rate=recipe.sample_rate,
        about=about,
    )
    html = page.render(result, found[:page_segments], systems, config=config)
    _write(output_dir, result, html)
    _write_audio(os.path.join(output_dir, AUDIO), items, recordings, systems, recipe.sample_rate)
    return result


def _write(output_dir: files.PathLike, result: Mapping[str, Any], html: str) -> None:
    """Writes page and report."""
    with files.atomic_write(os.path.join(output_dir, PAGE)) as file:
        file.write(files.printable(html).encode("utf-8"))
    files.write_json(os.path.join(output_dir, REPORT), result)
    logging.info("evaluation: see %s", os.path.join(output_dir, PAGE))


def _describe(model: AudioModel) -> dict[str, Any]:
    """Returns what a reader of the report needs to know of the model."""
    return {
        "class": type(model).__name__,
        "parameters": int(sum(w.shape.num_elements() for w in model.trainable_weights)),
        "receptive_field_samples": int(model.receptive_field),
        "output": model.describe_output(),
        "recipe": model.recipe.fingerprint(),
    }


def _write_audio(
    directory: str,
    utterances: Sequence[Utterance],
    recordings: Sequence[Any],
    systems: Sequence[synthesis.System],
    sample_rate: int,
) -> None:
    """Writes `<utterance>.<system>.wav`; see `files.file_stems`."""
    stems = files.file_stems([one.name for one in utterances])
    for index, stem in enumerate(stems):
        versions = {"recording": recordings[index]}
        versions.update({system.name: system.audio[index] for system in systems})
        for version, audio in versions.items():
            path = os.path.join(directory, f"{stem}.{version}.wav")
            audio_files.write(path, audio, sample_rate)
