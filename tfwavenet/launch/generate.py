"""Generates audio, or text, with a trained model.

From features, one NumPy file [frames, mels] each, made by the model's own recipe:

    tfwavenet-generate --workdir=runs/digits --label=theo --mel=a.npy,b.npy --output=out

With a preset, a trained model that comes with the package, from recordings:

    tfwavenet-generate --list_presets
    tfwavenet-generate --preset=wavenet_speech_16k --audio=mine.wav --output=again.wav

From recordings, whose features are computed first (copy synthesis):

    tfwavenet-generate --workdir=runs/digits --label=theo --audio=a.wav --output=a-again.wav

Unconditionally, for a model without features:

    tfwavenet-generate --workdir=runs/piano --seconds=5 --output=out

To listen while it is generated, as 16-bit WAV on standard output:

    tfwavenet-generate --workdir=runs/piano --seconds=60 --output=- | aplay

By a diffusion model, in six steps:

    tfwavenet-generate --workdir=runs/diffwave --schedule=1e-4,1e-3,0.01,0.05,0.2,0.5 --mel=a.npy

Text, by a model over characters, to the terminal or to a file:

    tfwavenet-generate --workdir=runs/text --prompt="Once upon" --num_characters=300 --top_k=40
    tfwavenet-generate --workdir=runs/text --num_characters=100000 --output=text.txt

An unfinished file has `.partial` behind its name, and can be listened to, or read.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Optional

from absl import flags

from tfwavenet.launch import app, generation_job, model_flags, sampling, text_job
from tfwavenet.models.presets import presets
from tfwavenet.run import Run

FLAGS = flags.FlagValues()
_MODEL = model_flags.define(FLAGS)
_LIST_PRESETS = flags.DEFINE_boolean(
    "list_presets", False, "Lists the presets of the package, and ends.", flag_values=FLAGS
)
_MEL = flags.DEFINE_list("mel", [], "Features: .npy files, separated by commas.", flag_values=FLAGS)
_AUDIO = flags.DEFINE_list(
    "audio", [], "Recordings to generate again, separated by commas.", flag_values=FLAGS
)
_SECONDS = flags.DEFINE_float(
    "seconds",
    None,
    "Length in seconds, for a model without features.",
    lower_bound=0.0,
    flag_values=FLAGS,
)
_COUNT = flags.DEFINE_integer(
    "count", 1, "Number of utterances, with --seconds.", lower_bound=1, flag_values=FLAGS
)
_LABEL = flags.DEFINE_string(
    "label", None, "Class or speaker, by name or number.", flag_values=FLAGS
)
_SPEAKER = flags.DEFINE_string("speaker", None, "Another name of --label.", flag_values=FLAGS)
_PROMPT = flags.DEFINE_string(
    "prompt",
    None,
    "Beginning that the model continues: for audio a recording's path (features cover the "
    "recording too), for text the text itself.",
    flag_values=FLAGS,
)
_CHARACTERS = flags.DEFINE_integer(
    "num_characters",
    None,
    f"Number of characters, for a model over text; default: {text_job.DEFAULT_CHARACTERS}.",
    lower_bound=1,
    flag_values=FLAGS,
)
_SAMPLING = sampling.define_flags(FLAGS)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the first utterance; each further utterance adds 1.", flag_values=FLAGS
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size",
    None,
    "Number of utterances generated together; default: as many as are fastest.",
    lower_bound=1,
    flag_values=FLAGS,
)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "For one utterance a .wav file, or - for standard output; otherwise a folder. Default: "
    "<workdir>/samples/generated, with a preset samples/generated here. For text a file; default: standard output.",
    flag_values=FLAGS,
)

_OF_TEXT = (_CHARACTERS,)
_OF_AUDIO = (_MEL, _AUDIO, _SECONDS, _COUNT, _LABEL, _SPEAKER, _BATCH_SIZE)


def _generate() -> None:
    if _LIST_PRESETS.value:
        _list_presets()
        return
    run = _MODEL.run()
    if run.model.writes_text:
        _generate_text(run)
    else:
        _generate_audio(run)


def _list_presets() -> None:
    for name, entry in presets().items():
        size = f"{entry['parameters'] / 1e6:.1f} million weights, {entry['sample_rate']} Hz"
        sys.stdout.write(f"{name}: {entry['description']} {entry['class_name']}, {size}.\n")


def _generate_text(run: Run) -> None:
    _refuse(_OF_AUDIO, "this one writes text")
    text_job.run(
        run.model,
        prompt=_PROMPT.value,
        num_characters=_CHARACTERS.value or text_job.DEFAULT_CHARACTERS,
        output=None if _OUTPUT.value == generation_job.STANDARD_OUTPUT else _OUTPUT.value,
        seed=_SEED.value,
        **sampling.arguments(run, **_SAMPLING.values()),
    )


def _refuse(holders: Sequence[flags.FlagHolder], reason: str) -> None:
    """Raises ValueError for the first given flag of another kind of model."""
    for holder in holders:
        if FLAGS[holder.name].present:
            raise ValueError(
                f"--{holder.name} is for another kind of model: {reason}. "
                f"Received: --{holder.name}={holder.value}"
            )


def _label() -> Optional[str]:
    """Returns the value of --label, or of its other name --speaker."""
    given = {flag.value for flag in (_LABEL, _SPEAKER) if flag.value is not None}
    if len(given) > 1:
        raise ValueError(
            "--speaker is another name of --label, so one of them is enough. "
            f"Received: --label={_LABEL.value} with --speaker={_SPEAKER.value}"
        )
    return given.pop() if given else None


def _generate_audio(run: Run) -> None:
    _refuse(_OF_TEXT, "this one makes audio")
    job = generation_job.Job.create(
        run.model,
        mel_paths=_MEL.value,
        audio_paths=_AUDIO.value,
        seconds=_SECONDS.value,
        count=_COUNT.value,
        speaker=_label(),
        speakers=run.speakers,
        prompt_path=_PROMPT.value,
        output=_OUTPUT.value or run.path / "samples" / "generated",
    )
    generation_job.run(
        run.model,
        job,
        seed=_SEED.value,
        batch_size=_BATCH_SIZE.value,
        **sampling.arguments(run, **_SAMPLING.values()),
    )


def main() -> None:
    """Runs the launcher; the entry point of the console script."""
    app.run(_generate, FLAGS)


if __name__ == "__main__":
    main()
