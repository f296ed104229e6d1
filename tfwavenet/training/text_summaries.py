"""What TensorBoard shows of a network over text: how it goes on where held-out texts begin."""

from __future__ import annotations

import pathlib
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet import files
from tfwavenet.training.summaries import Example, SampleSummaries


class TextSummaries(SampleSummaries):
    """Continues held-out texts every so many epochs; to texts what `SampleSummaries` is to audio.

    The first half of each example is given, the other half is generated. Writes
    `<samples>/<step>/<text>.txt`, `<samples>/recording/<text>.txt` with the held-out text itself,
    and both for TensorBoard.

    The model is one over text, the examples' signals are codes, and `recipe` is a `TextRecipe`; the
    other arguments are those of `SampleSummaries`.
    """

    def _made(self) -> list[np.ndarray]:
        return continuations(self.model, self._examples, seed=self._seed)

    def _write(self, example: Example, audio: np.ndarray, folder: pathlib.Path) -> None:
        recording = self._samples / "recording" / f"{example.file_name}.txt"
        shown = {"generated": audio, "recording": example.signal}
        for title, codes in shown.items():
            text = self._recipe.decode(codes)
            path = recording if title == "recording" else folder / recording.name
            if title == "generated" or not path.exists():
                with files.atomic_write(path) as file:
                    file.write(text.encode("utf-8"))
            # Markdown shows what is indented as it is.
            tf.summary.text(f"{example.name}/{title}", textwrap.indent(text, "    ", _any_line))


def continuations(model: Any, examples: Sequence[Example], *, seed: int) -> list[np.ndarray]:
    """The first half of the shortest example's length of each, and as much generated after it.

    Args:
        model: over text.
        examples: at least one.
        seed: of the first; the i-th has `seed + i`.

    Returns:
        Codes, int32 [characters], for each example.
    """
    length = min(len(example.signal) for example in examples)
    given = np.stack([example.signal[: length // 2] for example in examples])
    generated = model.generate(
        samples=length - length // 2,
        prime=given if length > 1 else None,
        seed=[seed + index for index in range(len(examples))],
    )
    return list(np.concatenate([given, generated], axis=1))


def _any_line(line: str) -> bool:
    return True
