"""Generates any number of utterances again: folders, lists and prepared data to a folder.

Memory does not grow with the number of utterances. A restart skips what is finished. The audio of
an utterance depends on its name, not on what else is generated or in which order.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Optional

import numpy as np
from absl import logging

from tfwavenet import files
from tfwavenet.data import listing, transcripts
from tfwavenet.data.corpora import AUDIO_EXTENSIONS
from tfwavenet.data.pipeline import Records
from tfwavenet.data.splits import Split
from tfwavenet.launch import generation_job
from tfwavenet.models.audio_model import AudioModel
from tfwavenet.run import speaker_number

STANDARD_INPUT = "-"
MEL_EXTENSIONS = (".npy", ".npz")
_LIST_EXTENSIONS = (".txt", ".lst", ".list")
# Utterances that are read before some of them are generated together.
_GROUP = 128


@dataclasses.dataclass(frozen=True)
class Source:
    """One utterance to generate again.

    Attributes:
        name: name of the output below its folder, without extension; it chooses the seed.
        path: recording, or .npy or .npz file of features, or folder of prepared data.
        record: split and number of the record in prepared data. If None, `path` is a file.
        output: file to write, or "-". If None, the file is named after the source.
    """

    name: str
    path: str
    record: Optional[tuple[Split, int]] = None
    output: Optional[str] = None

    def output_in(self, folder: str, extension: str) -> str:
        """Returns the file to write."""
        return self.output or os.path.join(folder, self.name + extension)


def find(inputs: Sequence[str], *, split: Split = "test") -> list[Source]:
    """Lists what is to be generated again.

    Args:
        inputs: recordings, .npy or .npz files of features, folders of these at any depth, lists
            (.txt, .lst) with one path per line, folders of prepared data, or "-" for a recording
            on standard input.
        split: split of prepared data.

    Returns:
        At least one source, in the order of the inputs and sorted by name in each folder. Names
        are distinct.

    Raises:
        ValueError: if an input does not exist or holds nothing.
        OSError: if a list cannot be read.
    """
    found = [source for item in inputs for source in _expand(item, split)]
    if not found:
        raise ValueError(f"inputs must name a recording. Received: {', '.join(map(repr, inputs))}")
    names = files.distinct([files.path_stem(source.name) for source in found])
    return [dataclasses.replace(source, name=name) for source, name in zip(found, names)]


def _expand(item: str, split: Split) -> Iterator[Source]:
    path = pathlib.Path(item).expanduser()
    if item == STANDARD_INPUT:
        yield Source("stdin", item)
    elif path.is_dir():
        yield from _of_folder(path, split)
    elif not path.is_file():
        raise ValueError(f"an input must be a file, a folder or -. Received: {item!r}")
    elif path.suffix.lower() in _LIST_EXTENSIONS:
        yield from _of_list(path, split)
    else:
        yield Source(path.stem, str(path))


def _of_folder(folder: pathlib.Path, split: Split) -> Iterator[Source]:
    if (folder / "metadata.json").is_file():
        records = Records(folder)
        for number, name in enumerate(records.names(split)):
            yield Source(name, str(folder), (split, number))
        return
    wanted = (*AUDIO_EXTENSIONS, *MEL_EXTENSIONS)
    paths = [path for path in listing.visible(folder).files if path.suffix.lower() in wanted]
    if not paths:
        raise ValueError(
            f"an input folder must hold recordings or .npy files, found "
            f"{listing.description(folder)}. Received: {str(folder)!r}"
        )
    for path, name in listing.names(folder, paths).items():
        yield Source(name, str(path))


def _of_list(path: pathlib.Path, split: Split) -> Iterator[Source]:
    """Yields the files of a list, named by the paths in it, so that it may be split.

    Relative paths are relative to the list's folder.
    """
    for line in filter(None, map(str.strip, transcripts.read_lines(path))):
        listed = pathlib.Path(line).expanduser()
        if (path.parent / listed).is_file():
            yield Source(str(listed.with_suffix("")), str(path.parent / listed))
        else:
            yield from _expand(str(path.parent / listed), split)


def shard(sources: Sequence[Source], text: str) -> list[Source]:
    """Returns the i-th of n parts of the sources, by the hashes of their names.

    Args:
        sources: all sources.
        text: "i/n" with i from 0 to n - 1.

    Raises:
        ValueError: if the text has another form.
    """
    number, slash, count = text.partition("/")
    whole = slash and number.isdecimal() and count.isdecimal()
    if not whole or not int(number) < int(count):
        raise ValueError(f"a shard must be i/n with i from 0 to n - 1. Received: shard={text!r}")
    return [one for one in sources if _hash("shard", one.name) % int(count) == int(number)]


def seed_of(name: str, seed: int) -> int:
    """Returns the seed of an utterance, which follows from its name and the seed of all."""
    return _hash(str(seed), name)


def _hash(salt: str, name: str) -> int:
    digest = hashlib.sha256(f"{salt}:{name}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:7], "big")


def run(
    model: AudioModel,
    sources: Sequence[Source],
    *,
    output: files.PathLike,
    extension: str = ".wav",
    label: Optional[str] = None,
    speakers: Sequence[str] = (),
    seed: int = 0,
    batch_size: Optional[int] = None,
    **sampling: Any,
) -> None:
    """Generates all sources that have no file yet, group by group.

    A source that cannot be read is reported and passed over.

    Args:
        model: a model with a recipe and features.
        sources: what to generate again, see `find`.
        output: folder of the files that are named after the sources.
        extension: extension of the files, which chooses their format.
        label: name or number of the speaker or label. If None, prepared data have their own.
        speakers: names of the speakers, by number.
        seed: seed of all utterances, see `seed_of`.
        batch_size: number of utterances generated together, see `synthesis.batch_size_for`.
        **sampling: further arguments of the model's `generate`.

    Raises:
        ValueError: if the model has no features, a source could not be read (after all others are
            written), or an argument is out of its range.
        OSError: if a file cannot be written.
    """
    if model.upsampler is None:
        raise ValueError(
            "a model without features generates from --seconds, not from inputs. "
            f"Received: {sources[0].path!r}"
        )
    failed: list[str] = []
    folder = os.fspath(output)
    pending = [one for one in sources if not _is_finished(one, folder, extension)]
    if len(pending) < len(sources):
        logging.info("%d of %d files are there already", len(sources) - len(pending), len(sources))
    reader = _Reader(model, label, speakers)
    for group in _grouped(pending):
        read = [(one, *reader.read(one, failed)) for one in group]
        usable = [(one, mel, speaker) for one, mel, speaker in read if mel is not None]
        if not usable:
            continue
        chosen, mels, numbers = zip(*usable)
        job = generation_job.Job(
            paths=tuple(one.output_in(folder, extension) for one in chosen),
            mels=tuple(mels),
            samples=tuple(len(mel) * model.recipe.hop_samples for mel in mels),
            speaker=None if None in numbers else np.array(numbers, np.int32),
        )
        seeds = [seed_of(one.name, seed) for one in chosen]
        generation_job.run(model, job, seeds=seeds, batch_size=batch_size, **sampling)
    if failed:
        raise ValueError(f"{len(failed)} of {len(sources)} inputs were left out: {failed[0]}")


def _is_finished(source: Source, folder: str, extension: str) -> bool:
    """Tells whether the file of a source is there; a file that is named by the user is replaced.

    Raises:
        ValueError: if the file is what is generated from.
    """
    path = source.output_in(folder, extension)
    exists = path != generation_job.STANDARD_OUTPUT and os.path.exists(path)
    if exists and os.path.exists(source.path) and os.path.samefile(path, source.path):
        raise ValueError(
            "output must not replace what is generated from; choose another folder or name. "
            f"Received: output {path!r}"
        )
    return exists and source.output is None


def _grouped(sources: Iterable[Source]) -> Iterator[list[Source]]:
    iterator = iter(sources)
    while group := list(itertools.islice(iterator, _GROUP)):
        yield group


class _Reader:
    """Reads the features of sources, and the numbers of their speakers."""

    def __init__(self, model: AudioModel, label: Optional[str], speakers: Sequence[str]) -> None:
        self._model, self._label, self._speakers = model, label, speakers
        self._records: dict[str, Records] = {}

    def read(self, source: Source, failed: list[str]) -> tuple[Optional[np.ndarray], Optional[int]]:
        """Returns mel and speaker; or None, and the reason in `failed`."""
        try:
            if source.record is not None:
                return self._of_record(source)
            number = speaker_number(self._model, self._label, self._speakers)
            return self._of_file(source.path), number
        except (ValueError, OSError) as error:
            logging.warning("left out: %s", error)
            failed.append(str(error))
            return None, None

    def _of_record(self, source: Source) -> tuple[np.ndarray, Optional[int]]:
        records = self._records.get(source.path)
        if records is None:
            records = Records(source.path)
            if records.recipe.fingerprint() != self._model.recipe.fingerprint():
                raise ValueError(
                    f"prepared data must have the model's recipe {self._model.recipe.fingerprint()}. "
                    f"Received: {records.recipe.fingerprint()} in {source.path!r}"
                )
            self._records[source.path] = records
        split, number = source.record or ("test", 0)
        utterance = records.utterance(split, number)
        if utterance.mel is None:
            raise ValueError(f"prepared data with mels are expected. Received: {source.path!r}")
        label = self._label
        if label is None and self._model.speaker_channels:
            label = records.speakers[utterance.speaker]
        return utterance.mel, speaker_number(self._model, label, self._speakers)

    def _of_file(self, path: str) -> np.ndarray:
        if path.lower().endswith(MEL_EXTENSIONS):
            return generation_job.read_mel(path, self._model.recipe)
        if path != STANDARD_INPUT:
            return generation_job.analyze(path, self._model.recipe)[1]
        with tempfile.NamedTemporaryFile(suffix=".audio") as file:
            file.write(sys.stdin.buffer.read())
            file.flush()
            return generation_job.analyze(file.name, self._model.recipe)[1]
