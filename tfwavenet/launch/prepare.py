"""Prepares the corpus of a config for training: analyzes every recording and writes records.

    tfwavenet-prepare --config=configs/smoke.py --workdir=runs/smoke
    tfwavenet-prepare --config=configs/r9y9_mol.py --workdir=runs/mol \
        --config.data.corpus=ljspeech --config.data.root=/data/LJSpeech-1.1

The data go to `<workdir>/data`. The same command again continues an interrupted preparation.
Training prepares by itself what is not prepared yet. The config of a student needs its teacher:
the statistics of the teacher normalize the features.
"""

from __future__ import annotations

import sys

from absl import flags, logging

from tfwavenet.launch import app, config_flag

FLAGS = flags.FlagValues()
_CONFIG = config_flag.define("Config file. If not given, the config in the workdir.", FLAGS)
_SHORT = config_flag.define_shorthands(FLAGS, ("preset", "features", "splits"))
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Folder of the run; the data go to its folder data/.",
    required=True,
    flag_values=FLAGS,
)


def main() -> None:
    """Runs the launcher with the flags of the command line."""
    app.run(_prepare, flag_values=FLAGS, argv=config_flag.with_fine_tuning(sys.argv))


def _prepare() -> None:
    from tfwavenet.run import Run

    folder = Run(_WORKDIR.value).prepare(config_flag.with_shorthands(_CONFIG.value, _SHORT))
    logging.info("Prepared data are in %s", folder.absolute())


if __name__ == "__main__":
    main()
