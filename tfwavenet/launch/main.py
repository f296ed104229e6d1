"""Runs every command of the package under one name.

    tfwavenet train --config=configs/smoke.py --workdir=runs/smoke
    tfwavenet generate --preset=wavenet_speech_16k mine.wav --output=again.wav
    tfwavenet --version

`tfwavenet train` is `tfwavenet-train`, and so on.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Sequence

from tfwavenet.checks import nearest_name
from tfwavenet.version import __version__

COMMANDS = {
    "quickstart": "quickstart",
    "prepare": "prepare",
    "train": "train",
    "evaluate": "evaluate",
    "generate": "generate",
    "schedule": "schedule",
    "import": "import_checkpoint",
    "export": "export",
}


def main() -> None:
    """Runs the command that the first argument names; the entry point of the console script.

    Raises:
        SystemExit: Always, with the status of the command; 1 for an unknown command.
    """
    arguments = sys.argv[1:]
    if arguments[:1] == ["--version"]:
        sys.stdout.write(f"tfwavenet {__version__}\n")
    elif not arguments or arguments[0] in ("--help", "-h", "help"):
        sys.stdout.write(_help())
    elif arguments[0] in COMMANDS:
        _run(arguments)
    else:
        sys.stderr.write(
            f"tfwavenet: error: the command must be one of {', '.join(COMMANDS)}"
            f"{nearest_name(arguments[0], COMMANDS)}. Received: {arguments[0]!r}\n"
        )
        sys.exit(1)
    sys.exit(0)


def _run(arguments: Sequence[str]) -> None:
    command, *rest = arguments
    sys.argv = [f"tfwavenet-{command}", *rest]
    importlib.import_module(f"tfwavenet.launch.{COMMANDS[command]}").main()


def _help() -> str:
    """Returns the commands, each with the first sentence of its own help."""
    lines = [f"  {name:<12}{_first_sentence(name)}" for name in COMMANDS]
    usage = "usage: tfwavenet COMMAND [--flag=value ...]\n       tfwavenet COMMAND --help\n"
    return usage + "\ncommands:\n" + "\n".join(lines) + "\n"


def _first_sentence(command: str) -> str:
    document = importlib.import_module(f"tfwavenet.launch.{COMMANDS[command]}").__doc__ or ""
    sentence = document.split("\n\n", maxsplit=1)[0].replace("\n", " ")
    return re.split(r"[:;]", sentence.rstrip("."))[0] + "."


if __name__ == "__main__":
    main()
