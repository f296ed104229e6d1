"""Turns a corpus into prepared data: TFRecord shards, their indices, metadata and a skip report.

The work is done shard by shard, on all cores. A killed run goes on where it was, and gives the
bytes of an uninterrupted run.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import ml_collections
from absl import logging

from tfwavenet import files
from tfwavenet.audio import recipes
from tfwavenet.audio.recipes import Recipe
from tfwavenet.data import corpora, defaults, given_features, metadata, progress, records, workers
from tfwavenet.data.analysis import Analysis
from tfwavenet.data.corpora import Corpus, CorpusName
from tfwavenet.data.splits import SPLITS
from tfwavenet.data.text_analysis import TextAnalysis
from tfwavenet.data.workers import AnySource, Item, Shard
from tfwavenet.text import TextRecipe

# A shard is closed at either limit. Both are part of the format: another value gives other files.
_SHARD_FILES = 64
_SHARD_SOURCE_BYTES = 32 * 2**20


def prepare(
    corpus: CorpusName,
    *,
    output_dir: files.PathLike,
    recipe: str | Mapping[str, Any] | Recipe,
    root: files.PathLike | None = None,
    max_seconds: float = defaults.MAX_SECONDS,
    with_mel: bool = defaults.WITH_MEL,
    features: files.PathLike | None = None,
    features_transposed: bool = defaults.FEATURES_TRANSPOSED,
    validation: float = defaults.VALIDATION,
    test: float = defaults.TEST,
    seed: int = defaults.SEED,
    split_list: files.PathLike | None = None,
    first_speakers: Sequence[str] = (),
    num_workers: int | None = None,
) -> dict[str, Any]:
    """Prepares a corpus for training.

    Files of another sample rate are resampled, several channels are averaged. A recording longer
    than `max_seconds` becomes several records. Statistics that the recipe lacks are fitted on the
    training set in a first pass, and so is the vocabulary of a text recipe.

    Another call with equal arguments goes on with a killed run, or returns at once if all is done.

    Args:
        corpus: name of the corpus, see `corpora.read_corpus`.
        output_dir: folder to write; a missing folder is made.
        recipe: feature recipe, its name or its config; for the corpus `text` a text recipe.
        root: folder of the corpus. If None, the corpus is `bundled`.
        max_seconds: longest record of a recording, > 0.
        with_mel: whether records hold mels. If False, they serve unconditional models only.
        features: folder with a .npy or .npz file for each recording, which hold its features
            [frames, n_mels]; see `given_features.with_features`. They may be predictions of the
            recipe's mels, or anything else with a recipe whose `features` are "given". If None,
            mels are computed.
        features_transposed: whether these files hold [n_mels, frames].
        validation: share held back for validation, see `corpora.read_corpus`.
        test: share held back for testing.
        seed: chooses the files that are held back.
        split_list: file that names the set of each recording, lines of `name,set`; see
            `corpora.read_corpus`. If None, the corpus decides.
        first_speakers: names of the speakers that a trained model knows: they keep its numbers,
            and speakers that are new get the numbers behind.
        num_workers: number of processes; 0 works in this process. If None, there is one process
            per core, and none for a small corpus.

    Returns:
        The metadata, as in metadata.json.

    Raises:
        ValueError: if an argument is out of range, the corpus is not laid out as its name says or
            has no usable training file, or `output_dir` holds something else or lies in `root`.
        OSError: if the output cannot be written. Finished shards are used by the next run.

    Examples:
        >>> import tempfile
        >>> metadata = prepare("bundled", output_dir=tempfile.mkdtemp(), recipe="speech_16k")
        >>> metadata["speakers"]
        ['amber', 'callum', 'dawson']
    """
    if not max_seconds > 0:
        raise ValueError(f"max_seconds must be above 0. Received: max_seconds={max_seconds}")
    if num_workers is not None and num_workers < 0:
        raise ValueError(f"num_workers must be at least 0. Received: num_workers={num_workers}")
    folder, source = _absolute(output_dir), _absolute(root) if root else None
    if source in folder.parents:
        raise ValueError(
            "output_dir must not lie in root, or what is generated beside it becomes part of the "
            f"corpus. Received: output_dir={str(folder)!r}, root={str(source)!r}"
        )
    analysis = _analysis(
        corpus,
        recipes.of_any_kind(recipe),
        max_seconds=float(max_seconds),
        with_mel=bool(with_mel),
        given=features is not None,
        transposed=bool(features_transposed),
    )
    chosen: dict[str, Any] = {"validation": validation, "test": test, "seed": int(seed)}
    settings = _settings(corpus, source, analysis, chosen)
    if first_speakers:
        settings["first_speakers"] = list(first_speakers)
    with progress.exclusive(folder):
        state = progress.Progress(folder)
        is_finished = (folder / progress.METADATA).exists()
        finished = metadata.read(folder) if is_finished else None
        # Once they are prepared, the recordings may be removed.
        if finished is None or source is None or source.exists():
            found = corpora.read_corpus(corpus, root=source, split_list=split_list, **chosen)
            if features is not None:
                recordings = given_features.with_features(found.utterances, features)
                found = dataclasses.replace(found, utterances=tuple(recordings))
            settings["files"] = _digest(found)
        if finished is not None:
            progress.require_same(finished["settings"], settings, folder)
            metadata.require_shards(finished, folder)
            state.discard()
            logging.info("Already prepared: %s", folder)
            return finished
        state.begin(settings)
        crew = workers.Crew(folder, state, num_workers)
        return _prepare(found, analysis, settings, state, crew)


def prepared_folder(config: ml_collections.ConfigDict, workdir: files.PathLike) -> str:
    """Returns the folder of the prepared data of a config.

    Args:
        config: see `prepare_from_config`.
        workdir: folder of the run.
    """
    given = config.data.get("records")
    return os.fspath(given) if given else os.path.join(os.fspath(workdir), "data")


def prepare_from_config(config: ml_collections.ConfigDict, workdir: files.PathLike) -> str:
    """Prepares the data of a config in its workdir, unless they are prepared already.

    Args:
        config: has `recipe` and `data` (`corpus`, `root`, and optionally `max_seconds`,
            `with_mel`, `features`, `features_transposed`, `validation`, `test`, `split_seed`, `splits`, `first_speakers`). If `data.records` is
            not empty, it names a folder of prepared data to use instead.
        workdir: folder of the run; the data go to `<workdir>/data`.

    Returns:
        The folder of the prepared data.

    Raises:
        ValueError: if `prepare` raises it.
        OSError: if `prepare` raises it.
    """
    data, output_dir = config.data, prepared_folder(config, workdir)
    if data.get("records"):
        return output_dir
    recipe = config.recipe
    optional = ("max_seconds", "with_mel", "features_transposed", "validation", "test")
    options = {name: data[name] for name in optional if name in data}
    if data.get("features"):
        options["features"] = data.features
    if "split_seed" in data:
        options["seed"] = data.split_seed
    if data.get("splits"):
        options["split_list"] = data.splits
    if data.get("first_speakers"):
        options["first_speakers"] = tuple(data.first_speakers)
    prepare(
        data.corpus,
        output_dir=output_dir,
        root=data.get("root"),
        recipe=recipe.to_dict() if hasattr(recipe, "to_dict") else recipe,
        **options,
    )
    return output_dir


def _analysis(corpus: str, recipe: Recipe, *, given: bool, **options: Any) -> AnySource:
    """Returns the analysis that turns the sources of a corpus into records."""
    if isinstance(recipe, TextRecipe) != (corpus == corpora.TEXT):
        raise ValueError(
            "the corpus 'text' is prepared by a text recipe, such as 'text', and recordings by a "
            f"feature recipe. Received: corpus={corpus!r}, recipe={recipe!r}"
        )
    if not isinstance(recipe, TextRecipe):
        return Analysis(recipe, given=given, **options)
    if given:
        raise ValueError("a text has no features. Received: features beside the corpus 'text'")
    return TextAnalysis(recipe)


def _absolute(path: files.PathLike) -> pathlib.Path:
    return pathlib.Path(os.path.abspath(os.path.expanduser(path)))


def _settings(
    corpus: str, root: pathlib.Path | None, analysis: AnySource, chosen: dict[str, Any]
) -> dict[str, Any]:
    """Returns all settings that decide about the files, except the list of recordings."""
    return {
        "format": records.FORMAT_VERSION,
        "corpus": corpus,
        "root": None if root is None else str(root),
        **json.loads(json.dumps(analysis.settings())),
        **chosen,
    }


def _digest(corpus: Corpus) -> str:
    """Returns a fingerprint of the list of recordings: names, sizes, speakers, splits."""
    rows = [
        (item.name, _size(item.path), item.speaker, item.split, item.text)
        + ((_size(item.features),) if item.features else ())
        for item in corpus.utterances
    ]
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]
    return f"{len(rows)} files, {digest}"


def _size(path: str) -> int:
    """Returns the size of a file in bytes, 0 for a missing file."""
    return os.path.getsize(path) if os.path.exists(path) else 0


def _plan(corpus: Corpus, speakers: list[str]) -> list[Shard]:
    """Deals the recordings, in order of split and name, to shards."""
    numbers = {name: number for number, name in enumerate(speakers)}
    return [
        Shard(split, number, items)
        for split in SPLITS
        for number, items in enumerate(
            _dealt(
                Item(utterance, numbers[utterance.speaker], _size(utterance.path))
                for utterance in corpus.utterances
                if utterance.split == split
            )
        )
    ]


def _dealt(items: Iterable[Item]) -> Iterator[tuple[Item, ...]]:
    """Yields the items of each shard; a shard is closed at either limit."""
    full: list[Item] = []
    source_bytes = 0
    for item in items:
        full.append(item)
        source_bytes += item.source_bytes
        if len(full) == _SHARD_FILES or source_bytes >= _SHARD_SOURCE_BYTES:
            yield tuple(full)
            full, source_bytes = [], 0
    if full:
        yield tuple(full)


def _prepare(
    corpus: Corpus,
    analysis: AnySource,
    settings: dict[str, Any],
    state: progress.Progress,
    crew: workers.Crew,
) -> dict[str, Any]:
    """Runs the passes that are needed and writes the files that describe all shards."""
    known = settings.get("first_speakers", [])
    found = {item.speaker for item in corpus.utterances}
    speakers = [*known, *sorted(found.difference(known))]
    shards = _plan(corpus, speakers)
    if analysis.needs_statistics:
        training = [shard for shard in shards if shard.split == "train"]
        # Where nothing is usable it stays as it is; the pass that writes tells why.
        analysis = analysis.fitted(crew.run(workers.FitShard(analysis), training))
    results = crew.run(workers.WriteShard(analysis), shards)
    _require_training_data(shards, results, state, crew.folder)
    written = metadata.write_all(
        crew.folder,
        settings=settings,
        recipe=analysis.recipe,
        speakers=speakers,
        shards=shards,
        results=results,
        ignored=corpus.ignored,
    )
    state.discard()
    _log_summary(written, crew.folder)
    return written


def _require_training_data(
    shards: list[Shard],
    results: list[dict[str, Any]],
    state: progress.Progress,
    folder: pathlib.Path,
) -> None:
    """Clears the folder and raises ValueError if no file of the training set gave a record."""
    training = [result for shard, result in zip(shards, results) if shard.split == "train"]
    if any(result["entries"] for result in training):
        return
    state.discard()  # the next run may find mended files
    for shard in shards:
        (folder / shard.file_name).unlink(missing_ok=True)
    reasons = [item["reason"] for result in training for item in result["skipped"]]
    raise ValueError(
        f"None of the {len(reasons)} training files of the corpus is usable. "
        f"Received, for the first of them: {' | '.join(reasons[:3])}"
    )


def _log_summary(written: dict[str, Any], folder: pathlib.Path) -> None:
    """Logs the prepared amounts, skipped files and low sample rates."""
    for split, summary in written["splits"].items():
        unit = "seconds" if "seconds" in summary else "characters"
        level = logging.INFO if summary["records"] else logging.WARNING
        counts = (summary["records"], summary[unit], unit)
        logging.log(level, "%s: %d records, %.0f %s", split, *counts)
    if written["skipped_files"]:
        path = folder / metadata.SKIPPED
        logging.warning("%d files were skipped, see %s", written["skipped_files"], path)
    for rate, count in written["source_sample_rates"].items():
        wanted = written["recipe"]["sample_rate"]
        if int(rate) < wanted:
            text = "%d files have %s Hz, the recipe %d Hz: their upper band stays empty"
            logging.warning(text, count, rate, wanted)
