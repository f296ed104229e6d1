"""The whole path in a few minutes: train a small vocoder on the speech that comes along, listen.

    tfwavenet-quickstart --workdir=quickstart

Prepares the bundled speech, trains the network of configs/quickstart.py, generates the held-out
sentences again from their features, and compares them with the recordings and with Griffin-Lim.
Writes WAV files and `index.html` (open it in a browser) to `<workdir>/evaluation/test`. The same
command goes on where an interrupted run was.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from absl import flags, logging

from tfwavenet import files
from tfwavenet.launch import app, config_flag, evaluate
from tfwavenet.training.config import Config
from tfwavenet.training.run_training import run

FLAGS = flags.FlagValues()
_CONFIG = config_flag.define(
    "Config file, configs/quickstart.py by default; single keys: --config.key=value.",
    FLAGS,
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder to work in; made if missing.", required=True, flag_values=FLAGS
)


def quickstart(config: Config, workdir: files.PathLike, *, temperature: float = 1.0) -> Any:
    """Prepares, trains, generates and evaluates.

    Args:
        config: of the experiment, see `training.config`.
        workdir: folder of the run; what was done there before is not done again.
        temperature: of the sampling.

    Returns:
        The report, see `evaluation.evaluate`.

    Raises:
        ValueError: if the config is wrong, or the workdir was made by another one.
        OSError: if a file cannot be written.
    """
    logging.info("1 of 2: preparing and training in %s", workdir)
    run(config, workdir)
    logging.info("2 of 2: generating and measuring held-out sentences")
    return evaluate.evaluate_workdir(workdir, split="test", temperature=temperature)


def _quickstart() -> None:
    report = quickstart(_CONFIG.value, _WORKDIR.value)
    for line in evaluate.summary_lines(report):
        logging.info("%s", line)
    page = pathlib.Path(_WORKDIR.value).absolute() / "evaluation" / "test" / "index.html"
    logging.info("Open this page in a browser to see and hear the result: %s", page)


def with_default_config(argv: Sequence[str]) -> list[str]:
    """The command line with `--config` in front, unless it has one.

    Args:
        argv: the command line, program name first.
    """
    if any(argument.split("=")[0] in ("--config", "-config") for argument in argv):
        return list(argv)
    return [argv[0], "--config=configs/quickstart.py", *argv[1:]]


def main() -> None:
    """Runs the launcher; the entry point of the console script."""
    app.run(_quickstart, FLAGS, argv=with_default_config(sys.argv))


if __name__ == "__main__":
    main()
