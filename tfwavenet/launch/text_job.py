"""Writes text for the generate launcher, character by character as the model makes it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import Any, BinaryIO, Optional

from absl import logging

from tfwavenet import files, text
from tfwavenet.models.audio_model import AudioModel


def run(
    model: AudioModel,
    *,
    prompt: Optional[str] = None,
    num_characters: int,
    output: Optional[files.PathLike] = None,
    seed: int = 0,
    **sampling: Any,
) -> None:
    """Writes the prompt and its continuation, as UTF-8, to standard output or to a file.

    Args:
        model: a model over text.
        prompt: beginning of the text. If None, the text begins from nothing.
        num_characters: number of characters to generate.
        output: a file, which has `.partial` behind its name until it is whole. If None, standard
            output.
        seed: seed of the text.
        **sampling: further arguments of the model's `generate`, such as `temperature`.

    Raises:
        ValueError: If an argument is out of its range, or the prompt is no valid text.
        OSError: If the file cannot be written; names the file.
    """
    given = _checked_prompt(prompt or "", model.recipe)
    start = time.monotonic()
    with _opened(output) as file:

        def write(new: str) -> None:
            file.write(new.encode("utf-8"))
            file.flush()

        write(given)
        model.generate_text(
            given, num_characters=num_characters, seed=seed, on_text=write, **sampling
        )
        if file.isatty():
            write("\n")
    logging.info("%d characters in %.2f s", num_characters, time.monotonic() - start)
    if output is not None:
        logging.info("wrote %s", os.fspath(output))


def _checked_prompt(prompt: str, recipe: text.TextRecipe) -> str:
    """Returns the prompt as the network reads it; warns of characters that it does not know."""
    if not text.is_unicode(prompt):
        raise ValueError(f"prompt must be valid UTF-8. Received: prompt={prompt!r}")
    prompt = recipe.normalize(prompt)
    codes = recipe.encode(prompt)
    unknown = sorted({known for known, code in zip(prompt, codes) if code == text.UNKNOWN})
    if unknown:
        logging.warning(
            "The training text hardly has these characters of the prompt, they are read as one: %s",
            " ".join(unknown),
        )
    return prompt


@contextlib.contextmanager
def _opened(output: Optional[files.PathLike]) -> Iterator[BinaryIO]:
    """Opens standard output, or a file that gets its name once it is whole."""
    if output is None:
        with contextlib.suppress(BrokenPipeError):  # whoever reads has seen enough
            yield sys.stdout.buffer
        return
    path = os.fspath(output)
    partial = path + ".partial"
    try:
        with files.open_partial(path) as file:
            yield file
            os.fsync(file.fileno())
            os.replace(partial, path)
    except OSError as error:
        reason = f"could not be written ({error.strerror or error})"
        raise OSError(error.errno, reason, partial) from error
