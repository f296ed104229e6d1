"""The passes of `prepare`: the work on one shard, and a crew that does it on every core."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import signal
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

import tensorflow as tf
import tqdm

from tfwavenet.audio.recipes import Recipe
from tfwavenet.data import cores, records
from tfwavenet.data.progress import Progress
from tfwavenet.data.splits import Split, Utterance
from tfwavenet.data.unusable import UnusableRecordingError

# Below this much audio a second process costs more time (3 s to import TensorFlow) than it saves.
_SMALL_CORPUS_BYTES = 8 * 2**20


@dataclasses.dataclass(frozen=True)
class Item:
    """One recording in a shard.

    Attributes:
        utterance: the recording.
        speaker: index of its speaker.
        source_bytes: size of its file.
    """

    utterance: Utterance
    speaker: int
    source_bytes: int


@dataclasses.dataclass(frozen=True)
class Shard:
    """The unit of work: recordings that go to the same file.

    Attributes:
        split: the set of the recordings.
        number: number of the shard in the split, from 0 on.
        items: the recordings, in order.
    """

    split: Split
    number: int
    items: tuple[Item, ...]

    @property
    def name(self) -> str:
        """Returns the name, such as `train-00003`."""
        return f"{self.split}-{self.number:05d}"

    @property
    def file_name(self) -> str:
        """Returns the name of the TFRecord file."""
        return f"{self.name}.tfrecord"


class AnySource(Protocol):
    """Turns the sources of a corpus into records: `analysis.Analysis` or `TextAnalysis`."""

    @property
    def recipe(self) -> Recipe:
        """Returns the recipe of the records."""

    def settings(self) -> dict[str, Any]:
        """Returns the settings that decide about the content of records, as JSON values."""

    @property
    def needs_statistics(self) -> bool:
        """Tells whether the recipe is to be fitted on the training set first."""

    def statistics(self, utterances: Iterable[Utterance]) -> dict[str, Any]:
        """Returns statistics of some sources, as JSON values."""

    def fitted(self, results: Sequence[Mapping[str, Any]]) -> AnySource:
        """Returns an analysis whose recipe is fitted to statistics."""

    def sample_rate(self, utterance: Utterance) -> int | None:
        """Returns the sample rate of a source in Hz. If None, the source is a text."""

    def records(self, utterance: Utterance, speaker: int) -> list[records.Record]:
        """Returns the records of a source, or raises UnusableRecordingError."""


class Pass(Protocol):
    """The work that is done on every shard; it is pickled to the workers."""

    @property
    def name(self) -> str:
        """Returns one word, for the progress bar and the names of results."""

    def __call__(self, shard: Shard, folder: pathlib.Path) -> dict[str, Any]:
        """Does the work and returns its result as JSON values."""

    def is_intact(self, shard: Shard, folder: pathlib.Path, result: dict[str, Any]) -> bool:
        """Tells whether a result of an earlier run can still be used."""


@dataclasses.dataclass(frozen=True)
class WriteShard:
    """Analyses the recordings of a shard and writes it.

    The result holds `entries` (see `records.IndexEntry`) and the `bytes` of the shard. `skipped`
    is a list of `{"file", "reason"}`, and `sample_rates` counts the files by their rate in Hz.

    Attributes:
        analysis: turns recordings into records.
    """

    analysis: AnySource
    name: str = "write"

    def __call__(self, shard: Shard, folder: pathlib.Path) -> dict[str, Any]:
        """See `Pass`."""
        skipped: list[dict[str, str]] = []
        rates: Counter[int] = Counter()
        path = folder / shard.file_name
        entries = records.write_shard(path, self._records(shard, skipped, rates))
        return {
            "bytes": path.stat().st_size if entries else 0,
            "entries": [dataclasses.asdict(entry) for entry in entries],
            "skipped": skipped,
            "sample_rates": {str(rate): count for rate, count in rates.items()},
        }

    def is_intact(self, shard: Shard, folder: pathlib.Path, result: dict[str, Any]) -> bool:
        """See `Pass`."""
        path = folder / shard.file_name
        return (path.stat().st_size if path.exists() else 0) == result["bytes"]

    def _records(
        self, shard: Shard, skipped: list[dict[str, str]], rates: Counter[int]
    ) -> Iterator[records.Record]:
        """Yields all records of the shard; notes unusable files and the rates of the others."""
        for item in shard.items:
            try:
                yield from self.analysis.records(item.utterance, item.speaker)
                rate = self.analysis.sample_rate(item.utterance)
                rates.update([] if rate is None else [rate])
            except UnusableRecordingError as error:
                skipped.append({"file": item.utterance.path, "reason": str(error)})


@dataclasses.dataclass(frozen=True)
class FitShard:
    """Computes the statistics of a shard that a recipe is fitted to, see `AnySource`.

    Attributes:
        analysis: computes the statistics.
    """

    analysis: AnySource
    name: str = "fit"

    def __call__(self, shard: Shard, folder: pathlib.Path) -> dict[str, Any]:
        """See `Pass`."""
        return self.analysis.statistics(item.utterance for item in shard.items)

    def is_intact(self, shard: Shard, folder: pathlib.Path, result: dict[str, Any]) -> bool:
        """See `Pass`."""
        return True


class Crew:
    """Runs passes over shards in several processes, each with one TensorFlow thread.

    Results are kept in `state`, so that a later run does only the missing work. The order of the
    work has no influence on any result.

    Args:
        folder: folder of the shards.
        state: keeps the results of finished work.
        num_workers: number of processes; 0 works in this process. If None, the size of the work
            decides.
    """

    def __init__(self, folder: pathlib.Path, state: Progress, num_workers: int | None) -> None:
        self.folder = folder
        self._state = state
        self._num_workers = num_workers

    def run(self, work: Pass, shards: Sequence[Shard]) -> list[dict[str, Any]]:
        """Does the work for every shard and returns the results in the order of the shards.

        Raises:
            OSError: if a file cannot be written.
            ChildProcessError: if a worker process dies.
        """
        results = {shard.name: self._earlier(work, shard) for shard in shards}
        todo = [shard for shard in shards if results[shard.name] is None]
        all_files = sum(len(shard.items) for shard in shards)
        done_files = all_files - sum(len(shard.items) for shard in todo)
        with tqdm.tqdm(
            total=all_files,
            initial=done_files,
            unit="file",
            desc=work.name,
            disable=not todo or None,  # None: where stderr is no terminal
        ) as bar:
            for shard, result in self._execute(work, todo):
                self._state.finish_step(f"{work.name}-{shard.name}", result)
                results[shard.name] = result
                bar.update(len(shard.items))
        return [result for result in results.values() if result is not None]

    def _earlier(self, work: Pass, shard: Shard) -> dict[str, Any] | None:
        """Returns the result of an earlier run. If None, there is no usable result."""
        result = self._state.result(f"{work.name}-{shard.name}")
        usable = result is not None and work.is_intact(shard, self.folder, result)
        return result if usable else None

    def _execute(
        self, work: Pass, shards: Sequence[Shard]
    ) -> Iterator[tuple[Shard, dict[str, Any]]]:
        """Yields shards with their results as they get done."""
        count = self._process_count(shards)
        if count == 0:
            yield from ((shard, _on_cpu(work, shard, self.folder)) for shard in shards)
            return
        pool = concurrent.futures.ProcessPoolExecutor(
            count, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
        )
        try:
            futures = {pool.submit(_on_cpu, work, shard, self.folder): shard for shard in shards}
            for future in concurrent.futures.as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise ChildProcessError(
                "A worker process of prepare died: out of memory, or a script without "
                "`if __name__ == '__main__':` around its code. Finished shards are kept. "
                f"Received: num_workers={count} (0 works without processes)"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _process_count(self, shards: Sequence[Shard]) -> int:
        """Returns the given number of processes, or one per core if the work is large enough."""
        if self._num_workers is not None:
            return min(self._num_workers, len(shards))
        source_bytes = sum(item.source_bytes for shard in shards for item in shard.items)
        count = min(cores.available(), len(shards))
        return 0 if source_bytes < _SMALL_CORPUS_BYTES or count == 1 else count


def _on_cpu(work: Pass, shard: Shard, folder: pathlib.Path) -> dict[str, Any]:
    """Does the work on the CPU: results do not depend on an accelerator."""
    with tf.device("/CPU:0"):
        return work(shard, folder)


def _start_worker() -> None:
    """Prepares a worker: one thread, no accelerator, and an end with its parent process."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.set_visible_devices([], "GPU")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Ends this process as soon as the parent process is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
