"""Trains the model of a config in a folder; the same command again continues the training.

    tfwavenet-train --config=configs/smoke.py --workdir=runs/smoke
    tfwavenet-train --config=configs/smoke.py --workdir=runs/smoke --config.training.steps=60
    tfwavenet-train --workdir=runs/smoke

From a trained model, which is called fine-tuning:

    tfwavenet-train --preset=wavenet_speech_16k --config.data.corpus=folder \
        --config.data.root=recordings --workdir=runs/mine

The second line trains longer; no other key may change in a workdir. The third line takes the config
in the workdir. A preset that is given without a config takes configs/fine_tuning.py. Watch with
`tensorboard --logdir=runs/smoke/logs`.
"""

from __future__ import annotations

import sys

from absl import flags, logging

from tfwavenet.launch import app, config_flag

FLAGS = flags.FlagValues()
_CONFIG = config_flag.define("Config file. If not given, the config in the workdir.", FLAGS)
_SHORT = config_flag.define_shorthands(FLAGS, ("preset", "features", "splits"))
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; made if missing.", required=True, flag_values=FLAGS
)


def main() -> None:
    """Runs the launcher with the flags of the command line."""
    app.run(_train, flag_values=FLAGS, argv=config_flag.with_fine_tuning(sys.argv))


def _train() -> None:
    from tfwavenet.run import Run

    run = Run(_WORKDIR.value)
    run.train(config_flag.with_shorthands(_CONFIG.value, _SHORT))
    logging.info("The trained model is in %s", run.path.absolute())


if __name__ == "__main__":
    main()
