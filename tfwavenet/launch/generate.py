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

Any number of recordings or feature files: folders, lists of paths, prepared data, or a recording on
standard input. What is finished is skipped on a restart; an utterance's seed follows from its name,
so that machines can share the work:

    tfwavenet-generate --preset=wavenet_speech_16k a.wav b.flac folder list.txt --output=out
    tfwavenet-generate --preset=wavenet_speech_16k --input=folder --output=out --shard=0/4
    tfwavenet-generate --workdir=runs/digits --input=runs/digits/data --split=test --output=out
    cat mine.wav | tfwavenet-generate --preset=wavenet_speech_16k - --output=again.flac

Text, by a model over characters, to the terminal or to a file:

    tfwavenet-generate --workdir=runs/text --prompt="Once upon" --num_characters=300 --top_k=40
    tfwavenet-generate --workdir=runs/text --num_characters=100000 --output=text.txt

An unfinished file has `.partial` behind its name, and can be listened to, or read.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Optional, cast

from absl import flags

from tfwavenet.data.splits import SPLITS, Split
from tfwavenet.launch import app, model_flags, sampling

if TYPE_CHECKING:
    from tfwavenet.run import Run

_DEFAULT_CHARACTERS = 500

FLAGS = flags.FlagValues()
_MODEL = model_flags.define(FLAGS)
_LIST_PRESETS = flags.DEFINE_boolean(
    "list_presets", False, "Lists the presets of the package, and ends.", flag_values=FLAGS
)
_MEL = flags.DEFINE_list("mel", [], "Features: .npy files, separated by commas.", flag_values=FLAGS)
_AUDIO = flags.DEFINE_list(
    "audio", [], "Recordings to generate again, separated by commas.", flag_values=FLAGS
)
_INPUT = flags.DEFINE_list(
    "input",
    [],
    "Recordings, .npy files, folders, lists of paths (.txt), folders of prepared data, or - for a "
    "recording on standard input, separated by commas; arguments without a name are inputs too.",
    flag_values=FLAGS,
)
_SPLIT = flags.DEFINE_enum(
    "split", "test", list(SPLITS), "Split of prepared data in --input.", flag_values=FLAGS
)
_SHARD = flags.DEFINE_string(
    "shard", None, "i/n: only the i-th of n parts of the inputs, from 0 on.", flag_values=FLAGS
)
_FORMAT = flags.DEFINE_enum(
    "format",
    "wav",
    ["wav", "flac", "ogg", "mp3"],
    "Format of the files in the output folder, with --input.",
    flag_values=FLAGS,
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
    f"Number of characters, for a model over text; default: {_DEFAULT_CHARACTERS}.",
    lower_bound=1,
    flag_values=FLAGS,
)
_SAMPLING = sampling.define_flags(FLAGS)
_SEED = flags.DEFINE_integer(
    "seed",
    0,
    "Seed of the first utterance; each further utterance adds 1. With --input, the seed that is "
    "joined to each utterance's name.",
    flag_values=FLAGS,
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
    "For one utterance a .wav, .flac, .ogg or .mp3 file, or - for standard output; otherwise a "
    "folder. Default: "
    "<workdir>/samples/generated, with a preset samples/generated here. For text a file; default: standard output.",
    flag_values=FLAGS,
)

_OF_TEXT = (_CHARACTERS,)
_OF_AUDIO = (_MEL, _AUDIO, _INPUT, _SECONDS, _COUNT, _LABEL, _SPEAKER, _BATCH_SIZE)
# What --input excludes.
_OF_ONE_JOB = (_MEL, _AUDIO, _SECONDS, _COUNT, _PROMPT)


def _generate(arguments: Sequence[str]) -> None:
    if _LIST_PRESETS.value:
        _list_presets()
        return
    inputs = [*_INPUT.value, *arguments[1:]]
    run = _MODEL.run()
    if run.model.writes_text:
        if arguments[1:]:
            raise ValueError(f"a model over text takes no recordings. Received: {arguments[1]!r}")
        _generate_text(run)
    elif inputs:
        _generate_inputs(run, inputs)
    else:
        _generate_audio(run)


def _list_presets() -> None:
    from tfwavenet.models.presets import presets

    for name, entry in presets().items():
        size = f"{entry['parameters'] / 1e6:.1f} million weights, {entry['sample_rate']} Hz"
        sys.stdout.write(f"{name}: {entry['description']} {entry['class_name']}, {size}.\n")


def _generate_text(run: Run) -> None:
    from tfwavenet.launch import text_job

    _refuse(_OF_AUDIO, "this one writes text")
    text_job.run(
        run.model,
        prompt=_PROMPT.value,
        num_characters=_CHARACTERS.value or _DEFAULT_CHARACTERS,
        output=None if _OUTPUT.value == "-" else _OUTPUT.value,
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


def _generate_inputs(run: Run, inputs: Sequence[str]) -> None:
    from tfwavenet.launch import bulk_generation, generation_job

    _refuse(_OF_TEXT, "this one makes audio")
    beside = next((holder for holder in _OF_ONE_JOB if FLAGS[holder.name].present), None)
    if beside is not None:
        raise ValueError(
            f"--input and inputs without a name exclude --{beside.name}. "
            f"Received: --{beside.name}={beside.value}"
        )
    sources = bulk_generation.find(inputs, split=cast(Split, _SPLIT.value))
    output = os.fspath(_OUTPUT.value or run.path / "samples" / "generated")
    if generation_job.is_one_file(output):
        generation_job.output_paths(output, [source.name for source in sources])
        sources = [dataclasses.replace(sources[0], output=output)]
    else:
        generation_job.require_folder(output)
    if _SHARD.value is not None:
        sources = bulk_generation.shard(sources, _SHARD.value)
    bulk_generation.run(
        run.model,
        sources,
        output=output,
        extension=f".{_FORMAT.value}",
        label=_label(),
        speakers=run.speakers,
        seed=_SEED.value,
        batch_size=_BATCH_SIZE.value,
        **sampling.arguments(run, **_SAMPLING.values()),
    )


def _generate_audio(run: Run) -> None:
    from tfwavenet.launch import generation_job

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
        seeds=[_SEED.value + index for index in range(len(job.paths))],
        batch_size=_BATCH_SIZE.value,
        **sampling.arguments(run, **_SAMPLING.values()),
    )


def main() -> None:
    """Runs the launcher; the entry point of the console script."""
    app.run(_generate, FLAGS)


if __name__ == "__main__":
    main()
