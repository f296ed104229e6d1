"""Find a schedule of few steps for a trained diffusion model.

    tfwavenet-schedule --workdir=runs/diffwave --steps=6

Makes validation recordings again with schedules of that many steps, and stores the best in
`<workdir>/inference_schedule.json`, from where `generate` and `evaluate` take it.
"""

from __future__ import annotations

import os
from typing import cast

from absl import flags, logging

from tfwavenet.data.pipeline import Records
from tfwavenet.data.splits import SPLITS, Split
from tfwavenet.evaluation import schedule_search
from tfwavenet.launch import app
from tfwavenet.models import DiffWave
from tfwavenet.training import workdir as workdirs

FLAGS = flags.FlagValues()
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of a training run.", required=True, flag_values=FLAGS
)
_STEPS = flags.DEFINE_integer("steps", 6, "How many.", lower_bound=1, flag_values=FLAGS)
_SPLIT = flags.DEFINE_enum("split", "validation", SPLITS, "Recordings to use.", flag_values=FLAGS)
_MAX_UTTERANCES = flags.DEFINE_integer(
    "max_utterances", 8, "How many of them.", lower_bound=1, flag_values=FLAGS
)
_SEED = flags.DEFINE_integer("seed", 0, "Of the first utterance.", flag_values=FLAGS)


def _search() -> None:
    loaded = workdirs.load(_WORKDIR.value)
    folder = workdirs.Workdir(_WORKDIR.value)
    if not isinstance(loaded.model, DiffWave):
        raise ValueError(
            "workdir must hold a diffusion model. "
            f"Received: a model of class {type(loaded.model).__name__}"
        )
    records = Records(loaded.config.data.get("records") or folder.path / "data")
    split = cast(Split, _SPLIT.value)
    count = min(_MAX_UTTERANCES.value, records.count(split))
    found = schedule_search.search(
        loaded.model,
        [records.utterance(split, number) for number in range(count)],
        steps=_STEPS.value,
        seed=_SEED.value,
        on_candidate=lambda item: logging.info("error %.4f: %s", item.error, _shown(item)),
    )
    path = folder.store_inference_schedule(found[0].schedule)
    logging.info("best: error %.4f: %s", found[0].error, _shown(found[0]))
    logging.info("wrote %s", os.fspath(path))


def _shown(candidate: schedule_search.Candidate) -> str:
    return ",".join(f"{beta:.4g}" for beta in candidate.schedule.betas)


def main() -> None:
    """Runs the launcher; the entry point of the console script."""
    app.run(_search, FLAGS)


if __name__ == "__main__":
    main()
