"""Parses the flags of the launchers, and reports an error in one sentence.

A launcher defines its flags in its own `FLAGS = flags.FlagValues()`, so that one process can import
several launchers. It has a `main()` without arguments for the console script:

    FLAGS = flags.FlagValues()
    _WORKDIR = flags.DEFINE_string("workdir", None, "...", required=True, flag_values=FLAGS)

    def main() -> None:
        app.run(_evaluate, flag_values=FLAGS)

    if __name__ == "__main__":
        main()
"""

from __future__ import annotations

import contextlib
import inspect
import logging as std_logging
import os
import pathlib
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Optional

from absl import flags, logging

import tfwavenet

EXPECTED_ERRORS = (ValueError, OSError)
_TRACEBACK = "TFWAVENET_TRACEBACK"
_PACKAGE = pathlib.Path(tfwavenet.__file__).parent
_CONFIG = ("--config", "-config")
# Installed, the experiments lie inside the package; in a checkout they lie beside it.
_CONFIGS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")


def run(
    main: Callable[..., Any],
    flag_values: flags.FlagValues = flags.FLAGS,
    *,
    argv: Optional[Sequence[str]] = None,
) -> NoReturn:
    """Parses the command line, calls `main`, and ends the process.

    `main` may raise ValueError or OSError (a missing file, a full disk) for input that it cannot
    use. The process then ends with one sentence on stderr and exit status 1, without a traceback.
    If the environment variable TFWAVENET_TRACEBACK is set, the traceback is shown too. Any other
    exception is a fault of the program and keeps its traceback.

    Args:
        main: takes nothing; or the list of arguments that are not flags, program name first. If
            it takes nothing, such arguments are an error.
        flag_values: holds the launcher's flags.
        argv: the command line, program name first; `sys.argv` by default.

    Raises:
        SystemExit: Always. Status 0 after `main` returned and after `--help`, 1 after an error of
            the user's, 130 after Ctrl-C, 141 if nobody reads the output any more.
    """
    argv = list(sys.argv if argv is None else argv)
    program = os.path.basename(argv[0])
    _log_to_stderr()
    try:
        rest = _parse(main, flag_values, argv)
        main(rest) if _takes_arguments(main) else main()
    except BrokenPipeError:
        _discard_output()
        sys.exit(141)
    except (flags.Error, *EXPECTED_ERRORS) as error:
        if os.environ.get(_TRACEBACK):
            traceback.print_exc()
        sys.exit(_report(program, error))
    except KeyboardInterrupt:
        sys.stderr.write(f"{program}: interrupted\n")
        sys.exit(130)
    sys.exit(0)


class _LogFormatter(std_logging.Formatter):
    """Puts the time before a message, and its level where it is more than information."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(message)s", "%H:%M:%S")

    def format(self, record: std_logging.LogRecord) -> str:
        line = super().format(record)
        if record.levelno <= std_logging.INFO:
            return line
        time, message = line[: len("00:00:00")], line[len("00:00:00 ") :]
        return f"{time} {record.levelname.lower()}: {message}"


def one_sentence(error: BaseException) -> str:
    """Returns the message of an exception on one line; a system error begins with its file.

    Args:
        error: any exception.
    """
    if isinstance(error, OSError) and error.strerror:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        text = ": ".join([" -> ".join(names), error.strerror] if names else [error.strerror])
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())


def _discard_output() -> None:
    """Discards the buffers of standard output, about which Python would complain."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _log_to_stderr() -> None:
    """Sends absl's log to stderr, from level INFO on, each line with its time of day."""
    flags.FLAGS.mark_as_parsed()
    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO)
    logging.get_absl_handler().setFormatter(_LogFormatter())


def _parse(main: Callable[..., Any], flag_values: flags.FlagValues, argv: list[str]) -> list[str]:
    """Parses the flags, answers `--help`, and refuses stray arguments where `main` takes none."""
    if any(item in ("--help", "-help", "-h", "--h") for item in argv[1:]):
        sys.stdout.write(_help(main, flag_values))
        sys.exit(0)
    _forget_the_call_before(flag_values)
    if "config" in flag_values:
        argv = with_known_config(argv)
        # Keys of the config are looked for in this list, not in `sys.argv`.
        flag_values["config"]._sys_argv = argv  # type: ignore[attr-defined]
    try:
        rest = flag_values(argv)
    except Exception as error:  # whatever a config file raises while it is read
        raise _explained(error, argv) from error
    if len(rest) > 1 and not _takes_arguments(main):
        raise ValueError(
            f"only flags are expected, of the form --name=value. Received: argument={rest[1]!r}"
        )
    return rest


def _forget_the_call_before(flag_values: flags.FlagValues) -> None:
    """Unsets all flags, and removes those that `--config` defined for the keys of its file."""
    for name in list(flag_values):
        if name.startswith("config."):
            delattr(flag_values, name)
        else:
            flag_values[name].unparse()


def _explained(error: Exception, argv: Sequence[str]) -> Exception:
    """Returns a clear error for a failure to parse the command line."""
    config, said = _config_of(argv), str(error)
    if isinstance(error, AttributeError):  # of config_flags, with a suggestion, and quoted twice
        said = said.strip("\"'").replace("\\n", " ").replace("\\'", "'")
        return ValueError(f"--config has no such key: {said} Received: {' '.join(argv[1:])}")
    unknown = error.flagname if isinstance(error, flags.UnrecognizedFlagError) else ""
    if unknown.startswith("config.") and config is None:
        return ValueError(
            "--config must be given too where one of its keys is changed. "
            f"Received: --{unknown} alone"
        )
    lines = said.splitlines()
    if isinstance(error, flags.Error) and len(lines) == 1:
        return error
    # Of what fails in a config file, absl has the whole traceback.
    reason = lines[-1] if isinstance(error, flags.Error) else f"{type(error).__name__}: {said}"
    return ValueError(f"--config could not be read ({reason}). Received: --config={config}")


def with_known_config(argv: Sequence[str]) -> list[str]:
    """Returns the command line with a missing config file replaced by the package's config.

    Args:
        argv: the command line, program name first.

    Raises:
        ValueError: If the package has no config of that name either.
    """
    given = _config_of(argv)
    if given is None:
        return list(argv)
    path, colon, kind = given.partition(":")
    if os.path.isfile(path):
        return list(argv)
    folder = next(folder for folder in _CONFIGS if folder.is_dir())
    known = {file.stem: file for file in sorted(folder.glob("[!_]*.py"))}
    if pathlib.Path(path).stem not in known:
        raise ValueError(
            f"--config must be a Python file, or one of {', '.join(known)}. "
            f"Received: --config={given}"
        )
    found = f"{known[pathlib.Path(path).stem]}{colon}{kind}"
    at = next(i for i, argument in enumerate(argv) if argument.partition("=")[0] in _CONFIG)
    behind = at + (1 if "=" in argv[at] else 2)
    return [*argv[:at], f"--config={found}", *argv[behind:]]


def _config_of(argv: Sequence[str]) -> Optional[str]:
    """Returns the value of `--config` on a command line. If it is not given, None."""
    for argument, following in zip(argv[1:], [*argv[2:], ""]):
        name, equals, value = argument.partition("=")
        if name in _CONFIG:
            return value if equals else following
    return None


def _takes_arguments(main: Callable[..., Any]) -> bool:
    return bool(inspect.signature(main).parameters)


def _help(main: Callable[..., Any], flag_values: flags.FlagValues) -> str:
    """Returns the launcher's module docstring and its flags."""
    module = inspect.getmodule(main)
    document = inspect.cleandoc((module.__doc__ if module else None) or "")
    return f"{document}\n\nflags:\n{flag_values.get_help('  ', include_special_flags=False)}\n"


def _report(program: str, error: BaseException) -> int:
    """Writes the error as one sentence to stderr; returns the exit status."""
    hint = " (--help lists the flags)" if isinstance(error, flags.Error) else ""
    sys.stderr.write(f"{program}: error: {one_sentence(error)}{hint}\n")
    return 1
