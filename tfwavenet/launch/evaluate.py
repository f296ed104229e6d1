"""Evaluates a trained model on held-out utterances or texts.

    tfwavenet-evaluate --workdir=runs/digits
    tfwavenet-evaluate --preset=wavenet_speech_16k --audio=mine.wav

Computes the loss, and lets the model generate the utterances again from their features. Compares
these and the output of Griffin-Lim with the recordings. Writes `report.json`, `index.html` (open it
in a browser) and WAV files into `<workdir>/evaluation/<split>`. A model over text is measured in
bits per character, and its page shows continuations of held-out texts. Of a preset the data are the
bundled speech, unless `tfwavenet-prepare` put others into `<workdir>/data`.
"""

from __future__ import annotations

from typing import cast

from absl import flags, logging

from tfwavenet.data.splits import SPLITS, Split
from tfwavenet.launch import app, model_flags, sampling

FLAGS = flags.FlagValues()
_MODEL = model_flags.define(FLAGS)
_SPLIT = flags.DEFINE_enum("split", "test", SPLITS, "Utterances to use.", flag_values=FLAGS)
_MAX_UTTERANCES = flags.DEFINE_integer(
    "max_utterances",
    None,
    "Number of utterances to use, spread evenly over the split; default: all.",
    lower_bound=1,
    flag_values=FLAGS,
)
_AUDIO = flags.DEFINE_list(
    "audio", [], "Recordings to evaluate too, separated by commas.", flag_values=FLAGS
)
_SAMPLING = sampling.define_flags(FLAGS)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the first utterance.", flag_values=FLAGS)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size",
    None,
    "Number of utterances generated together; default: as many as are fastest.",
    lower_bound=1,
    flag_values=FLAGS,
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder to write; default: <workdir>/evaluation/<split>.", flag_values=FLAGS
)


def _evaluate() -> None:
    from tfwavenet.evaluation.report import summary_lines

    run = _MODEL.run()
    chosen = sampling.arguments(run, **_SAMPLING.values())
    report = run.evaluate(
        cast(Split, _SPLIT.value),
        output_dir=_OUTPUT_DIR.value,
        max_utterances=_MAX_UTTERANCES.value,
        audio=_AUDIO.value,
        seed=_SEED.value,
        batch_size=_BATCH_SIZE.value,
        temperature=chosen.pop("temperature", 1.0),
        sampling=chosen,
    )
    for line in summary_lines(report):
        logging.info("%s", line)


def main() -> None:
    """Runs the launcher; the entry point of the console script."""
    app.run(_evaluate, FLAGS)


if __name__ == "__main__":
    main()
