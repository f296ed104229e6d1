"""Trains the model of a config in a folder; the same command again goes on where it was.

    tfwavenet-train --config=configs/smoke.py --workdir=runs/smoke
    tfwavenet-train --config=configs/smoke.py --workdir=runs/smoke --config.training.steps=60
    tfwavenet-train --workdir=runs/smoke

The second line trains longer; no other key may change in a workdir. The third takes the config that
the workdir was made by. Watch with `tensorboard --logdir=runs/smoke/logs`.
"""

from __future__ import annotations

from absl import flags, logging

from tfwavenet import training
from tfwavenet.launch import app, config_flag
from tfwavenet.training.workdir import Workdir

FLAGS = flags.FlagValues()
_CONFIG = config_flag.define(
    "Config file; single keys are changed with --config.key=value. Default: the workdir's.",
    FLAGS,
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; made if missing.", required=True, flag_values=FLAGS
)


def main() -> None:
    """Runs the launcher with the flags of the command line."""
    app.run(_train, flag_values=FLAGS)


def _train() -> None:
    folder = Workdir(_WORKDIR.value)
    config = _CONFIG.value if _CONFIG.value is not None else folder.config()
    if config is None:
        raise ValueError(
            "--config is needed for a new workdir; only one that was trained in has a config of "
            f"its own. Received: workdir={str(folder.path)!r}"
        )
    training.run(config, folder.path)
    logging.info("The trained model is in %s", folder.path.absolute())


if __name__ == "__main__":
    main()
