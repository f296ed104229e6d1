"""Prepares the corpus of a config for training: analyses every recording and writes records.

    tfwavenet-prepare --config=configs/smoke.py --workdir=runs/smoke
    tfwavenet-prepare --config=configs/r9y9_mol.py --workdir=runs/mol \
        --config.data.corpus=ljspeech --config.data.root=/data/LJSpeech-1.1

The data go to `<workdir>/data`. A run that was interrupted goes on where it was when the same
command is given again. Training prepares by itself what is not prepared yet. Of a student's config
the teacher must be there: its statistics normalize the features.
"""

from __future__ import annotations

import os

from absl import flags, logging

from tfwavenet.data.preparation import prepare_from_config
from tfwavenet.launch import app, config_flag
from tfwavenet.training import teacher as teachers
from tfwavenet.training.config import resolve
from tfwavenet.training.workdir import Workdir

FLAGS = flags.FlagValues()
_CONFIG = config_flag.define(
    "Config file; single keys are changed with --config.key=value. Default: the workdir's.",
    FLAGS,
)
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Folder of the run; the data go to its folder data/.",
    required=True,
    flag_values=FLAGS,
)


def main() -> None:
    """Runs the launcher with the flags of the command line."""
    app.run(_prepare, flag_values=FLAGS)


def _prepare() -> None:
    folder = Workdir(_WORKDIR.value)
    config = folder.config() if _CONFIG.value is None else resolve(_CONFIG.value)
    if config is None:
        raise ValueError(
            "--config is needed for a new workdir. "
            f"Received: workdir={_WORKDIR.value!r} without a config of its own"
        )
    config = teachers.with_statistics(config)
    directory = prepare_from_config(config, _WORKDIR.value)
    logging.info("Prepared data are in %s", os.path.abspath(directory))


if __name__ == "__main__":
    main()
