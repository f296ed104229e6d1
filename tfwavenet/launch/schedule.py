"""Searches a schedule of few steps for a trained diffusion model.

    tfwavenet-schedule --workdir=runs/diffwave --steps=6

Generates validation utterances again with schedules of that many steps. Stores the best schedule in
`<workdir>/inference_schedule.json`, where `generate` and `evaluate` find it.
"""

from __future__ import annotations

from typing import cast

from absl import flags

from tfwavenet.data.splits import SPLITS, Split
from tfwavenet.launch import app, model_flags

FLAGS = flags.FlagValues()
_MODEL = model_flags.define(FLAGS)
_STEPS = flags.DEFINE_integer("steps", 6, "Number of steps.", lower_bound=1, flag_values=FLAGS)
_SPLIT = flags.DEFINE_enum("split", "validation", SPLITS, "Utterances to use.", flag_values=FLAGS)
_MAX_UTTERANCES = flags.DEFINE_integer(
    "max_utterances", 8, "Number of utterances to use.", lower_bound=1, flag_values=FLAGS
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the first utterance.", flag_values=FLAGS)


def _search() -> None:
    _MODEL.run().find_schedule(
        _STEPS.value,
        split=cast(Split, _SPLIT.value),
        max_utterances=_MAX_UTTERANCES.value,
        seed=_SEED.value,
    )


def main() -> None:
    """Runs the launcher; the entry point of the console script."""
    app.run(_search, FLAGS)


if __name__ == "__main__":
    main()
