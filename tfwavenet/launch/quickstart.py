"""Shows in two minutes what a preset can do, and how training goes.

    tfwavenet-quickstart --workdir=quickstart
    tfwavenet-quickstart --workdir=quickstart --audio=mine.wav

Lets the preset say held-out sentences again from their mels alone, and your recordings if given:
within a minute there are WAV files and a page beside the recordings and Griffin-Lim. Then trains the
preset on for about a minute on the bundled speech, and shows the sentences before and after it.
The same command continues an interrupted training.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from absl import flags, logging

from tfwavenet.launch import app, config_flag

FLAGS = flags.FlagValues()
_CONFIG = config_flag.define("Config file; default: configs/quickstart.py.", FLAGS)
_SHORT = config_flag.define_shorthands(FLAGS, ("preset",))
_AUDIO = flags.DEFINE_list(
    "audio", [], "Recordings to say again too, separated by commas.", flag_values=FLAGS
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; made if missing.", required=True, flag_values=FLAGS
)


def _quickstart() -> None:
    from tfwavenet.evaluation.report import summary_lines
    from tfwavenet.run import Run

    config = config_flag.with_shorthands(_CONFIG.value, _SHORT)
    if config.training.init is None:
        raise ValueError(
            "--preset, or training.init of the config, must name the model to start from. "
            "Received: training.init=None"
        )
    run = Run(_WORKDIR.value)
    preset = Run.from_preset(config.training.init, run.path)
    logging.info("1 of 2: the preset %s says held-out sentences again", config.training.init)
    options: dict[str, Any] = {"audio": _AUDIO.value, "sampling": preset.sampling}
    preset.evaluate("test", output_dir=run.path / "evaluation" / "preset", **options)
    _tell_page(run.path / "evaluation" / "preset")
    logging.info("2 of 2: training on in %s, then the sentences again", run.path)
    run.train(config)
    report = run.evaluate("test", others={"Before training": preset.model}, **options)
    for line in summary_lines(report):
        logging.info("%s", line)
    _tell_page(run.path / "evaluation" / "test")


def _tell_page(folder: pathlib.Path) -> None:
    page = folder.absolute() / "index.html"
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
