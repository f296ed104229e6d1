"""Generate audio, or text, with a trained model.

From features, one NumPy file [frames, mels] each, made by the model's own recipe:

    tfwavenet-generate --workdir=runs/digits --speaker=theo --mel=a.npy,b.npy --output=out

From recordings, whose features are computed first (copy synthesis):

    tfwavenet-generate --workdir=runs/digits --speaker=theo --audio=a.wav --output=a-again.wav

Unconditionally, for a model without features:

    tfwavenet-generate --workdir=runs/piano --seconds=5 --output=out

To be heard while it is generated, as 16-bit WAV on standard output:

    tfwavenet-generate --workdir=runs/piano --seconds=60 --output=- | aplay

By a diffusion model, in six steps:

    tfwavenet-generate --workdir=runs/diffwave --schedule=1e-4,1e-3,0.01,0.05,0.2,0.5 --mel=a.npy

Text, by a model over characters, to the terminal as it is written, or to a file:

    tfwavenet-generate --workdir=runs/text --prompt="Once upon" --num_characters=300 --top_k=40
    tfwavenet-generate --workdir=runs/text --num_characters=100000 --output=text.txt

While it runs, each file has its name with `.partial` behind it and can be listened to, or read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from absl import flags

from tfwavenet.launch import app, generation_job, sampling, text_job
from tfwavenet.training import workdir as workdirs

FLAGS = flags.FlagValues()
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of a training run.", required=True, flag_values=FLAGS
)
_MEL = flags.DEFINE_list("mel", [], "Features: .npy files, with commas.", flag_values=FLAGS)
_AUDIO = flags.DEFINE_list("audio", [], "Recordings, with commas.", flag_values=FLAGS)
_SECONDS = flags.DEFINE_float(
    "seconds", None, "Length, for a model without features.", lower_bound=0.0, flag_values=FLAGS
)
_COUNT = flags.DEFINE_integer(
    "count", 1, "How many to generate with --seconds.", lower_bound=1, flag_values=FLAGS
)
_SPEAKER = flags.DEFINE_string("speaker", None, "Name or number.", flag_values=FLAGS)
_PROMPT = flags.DEFINE_string(
    "prompt",
    None,
    "What precedes the output: a recording (with --mel or --audio, these cover it too), or, for a "
    "model over text, the text itself.",
    flag_values=FLAGS,
)
_CHARACTERS = flags.DEFINE_integer(
    "num_characters",
    None,
    "Of a model over text: how many to write; default: 500.",
    lower_bound=1,
    flag_values=FLAGS,
)
_TEMPERATURE = flags.DEFINE_float(
    "temperature", 1.0, "Of the sampling; 0: no randomness.", lower_bound=0.0, flag_values=FLAGS
)
_SAMPLING = sampling.define_flags(FLAGS)
_SEED = flags.DEFINE_integer("seed", 0, "Of the first; the next take the next.", flag_values=FLAGS)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 8, "How many to generate together.", lower_bound=1, flag_values=FLAGS
)
_WEIGHTS = flags.DEFINE_enum(
    "weights", "ema", ["ema", "raw"], "Averaged or last weights.", flag_values=FLAGS
)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "A .wav file or - (standard output) for one utterance, or a folder; default: "
    "<workdir>/samples/generated. For text a file; default: standard output.",
    flag_values=FLAGS,
)


_OF_TEXT = (_CHARACTERS,)
_OF_AUDIO = (_MEL, _AUDIO, _SECONDS, _COUNT, _SPEAKER, _BATCH_SIZE)


def _generate() -> None:
    loaded = workdirs.load(_WORKDIR.value, weights=cast(workdirs.Weights, _WEIGHTS.value))
    if loaded.model.takes_text:
        _generate_text(loaded.model)
    else:
        _generate_audio(loaded)


def _generate_text(model: Any) -> None:
    _refuse(_OF_AUDIO, "this one writes text")
    text_job.run(
        model,
        prompt=_PROMPT.value,
        num_characters=_CHARACTERS.value,
        output=None if _OUTPUT.value == generation_job.STANDARD_OUTPUT else _OUTPUT.value,
        temperature=_TEMPERATURE.value,
        seed=_SEED.value,
        **sampling.arguments(model, **_SAMPLING.values()),
    )


def _refuse(holders: Sequence[flags.FlagHolder], reason: str) -> None:
    """Raises ValueError for the first of the flags that is given."""
    for holder in holders:
        if FLAGS[holder.name].present:
            raise ValueError(
                f"--{holder.name} is for another kind of model: {reason}. "
                f"Received: --{holder.name}={holder.value}"
            )


def _generate_audio(loaded: workdirs.Loaded) -> None:
    _refuse(_OF_TEXT, "this one makes audio")
    job = generation_job.Job.create(
        loaded.model,
        mel_paths=_MEL.value,
        audio_paths=_AUDIO.value,
        seconds=_SECONDS.value,
        count=_COUNT.value,
        speaker=_SPEAKER.value,
        speakers=loaded.metadata.speakers,
        prompt_path=_PROMPT.value,
        output=_OUTPUT.value or workdirs.Workdir(_WORKDIR.value).samples / "generated",
    )
    generation_job.run(
        loaded.model,
        job,
        temperature=_TEMPERATURE.value,
        seed=_SEED.value,
        batch_size=_BATCH_SIZE.value,
        **sampling.arguments(loaded.model, **_SAMPLING.values()),
    )


def main() -> None:
    """Runs the launcher; the entry point of the console script."""
    app.run(_generate, FLAGS)


if __name__ == "__main__":
    main()
