"""Trains a small vocoder on the bundled speech and evaluates it, in a few minutes.

    tfwavenet-quickstart --workdir=quickstart

Prepares the bundled speech and trains the network of configs/quickstart.py. Generates the held-out
sentences again from their features, and compares them with the recordings and with Griffin-Lim.
Writes WAV files and `index.html` (open it in a browser) to `<workdir>/evaluation/test`.
The same command continues an interrupted run.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from absl import flags, logging

from tfwavenet.evaluation.report import summary_lines
from tfwavenet.launch import app, config_flag
from tfwavenet.run import Run

FLAGS = flags.FlagValues()
_CONFIG = config_flag.define("Config file; default: configs/quickstart.py.", FLAGS)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; made if missing.", required=True, flag_values=FLAGS
)


def _quickstart() -> None:
    run = Run(_WORKDIR.value)
    logging.info("1 of 2: preparing and training in %s", run.path)
    run.train(_CONFIG.value)
    logging.info("2 of 2: generating and measuring held-out sentences")
    for line in summary_lines(run.evaluate("test")):
        logging.info("%s", line)
    page = run.path.absolute() / "evaluation" / "test" / "index.html"
    logging.info("Open this page in a browser to see and hear the result: %s", page)


def with_default_config(argv: Sequence[str]) -> list[str]:
    """Returns the command line with `--config` in front, unless `--config` is given.

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
