"""Trains the model of a config in a folder; the same command again continues the training.

    tfwavenet-train --config=configs/smoke.py --workdir=runs/smoke
    tfwavenet-train --config=configs/smoke.py --workdir=runs/smoke --config.training.steps=60
    tfwavenet-train --workdir=runs/smoke

From a trained model, which is called fine-tuning:

    tfwavenet-train --preset=wavenet_speech_16k --config.data.corpus=folder \
        --config.data.root=recordings --workdir=runs/mine

The second line trains longer; no other key may change in a workdir, except for the devices. The
third line takes the config in the workdir. A preset that is given without a config takes
configs/fine_tuning.py. Watch with `tensorboard --logdir=runs/smoke/logs`.

On all GPUs of this machine, on the machines in TF_CONFIG, or in two processes of this machine, which
start again when one dies (docs/scaling.md):

    tfwavenet-train --config=configs/smoke.py --workdir=runs/smoke --strategy=mirrored
    tfwavenet-train --config=configs/smoke.py --workdir=runs/smoke --strategy=multi_worker
    tfwavenet-train --config=configs/smoke.py --workdir=runs/smoke --strategy=multi_worker --workers=2

The exit status is 75 if another worker was lost; the same command continues the training.
"""

from __future__ import annotations

import sys

from absl import flags, logging

from tfwavenet.launch import app, config_flag, worker_processes
from tfwavenet.training.config_keys import STRATEGIES

FLAGS = flags.FlagValues()
_CONFIG = config_flag.define("Config file. If not given, the config in the workdir.", FLAGS)
_SHORT = config_flag.define_shorthands(FLAGS, ("preset", "features", "splits"))
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; made if missing.", required=True, flag_values=FLAGS
)
_STRATEGY = flags.DEFINE_enum(
    "strategy",
    None,
    STRATEGIES,
    "Devices that share each batch, in place of --config.training.strategy.",
    flag_values=FLAGS,
)
_WORKERS = flags.DEFINE_integer(
    "workers",
    None,
    "Number of processes to start on this machine, with --strategy=multi_worker.",
    lower_bound=1,
    flag_values=FLAGS,
)
_RESTARTS = flags.DEFINE_integer(
    "restarts",
    3,
    "How often --workers start again in a row without a new checkpoint, after one died.",
    lower_bound=0,
    flag_values=FLAGS,
)


def main() -> None:
    """Runs the launcher with the flags of the command line."""
    app.run(_train, flag_values=FLAGS, argv=config_flag.with_fine_tuning(sys.argv))


def _train() -> None:
    if worker_processes.is_worker():
        worker_processes.end_with_parent()
    elif _WORKERS.value is not None:
        sys.exit(_start_workers(_WORKERS.value))
    import tensorflow as tf

    from tfwavenet.run import Run
    from tfwavenet.training.strategies import WorkerLostError, is_first_of_cluster

    tf.get_logger().setLevel("WARNING")  # of every sum over the workers
    if not is_first_of_cluster():
        logging.set_verbosity(logging.WARNING)
    run = Run(_WORKDIR.value)
    try:
        run.train(config_flag.with_shorthands(_CONFIG.value, _SHORT), strategy=_STRATEGY.value)
    except WorkerLostError as error:
        sys.stderr.write(f"tfwavenet-train: {app.one_sentence(error)}\n")
        sys.exit(worker_processes.LOST_STATUS)
    logging.info("The trained model is in %s", run.path.absolute())


def _start_workers(workers: int) -> int:
    """Runs this command in several processes; returns the exit status."""
    from tfwavenet.training.checkpoints import steps_in
    from tfwavenet.training.workdir import Workdir

    if _STRATEGY.value != "multi_worker":
        raise ValueError(
            "--workers needs --strategy=multi_worker. "
            f"Received: --workers={workers} with --strategy={_STRATEGY.value}"
        )
    checkpoints = Workdir(_WORKDIR.value).checkpoints
    return worker_processes.run_workers(
        [sys.executable, "-m", "tfwavenet.launch.train", *sys.argv[1:]],
        workers=workers,
        restarts=_RESTARTS.value,
        progress=lambda: steps_in(checkpoints)[-1:],
    )


if __name__ == "__main__":
    main()
