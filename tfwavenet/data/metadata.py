"""Writes and reads the files of prepared data that describe all shards together.

metadata.json        settings, recipe, speakers, size of every split, durations, sample rates, and
                     a checksum of all this; of text, characters in place of durations
index-<split>.json   where every record lies, see `reader`
skipped.json         every file that gave no record, with the reason
"""

from __future__ import annotations

import pathlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tfwavenet import files
from tfwavenet.audio.recipes import Recipe
from tfwavenet.data import metadata_checks, progress, reader, records
from tfwavenet.data.splits import SPLITS
from tfwavenet.data.workers import Shard
from tfwavenet.text import TextRecipe

SKIPPED = "skipped.json"


def write_all(
    folder: pathlib.Path,
    *,
    settings: dict[str, Any],
    recipe: Recipe,
    speakers: Sequence[str],
    shards: Sequence[Shard],
    results: Sequence[dict[str, Any]],
    ignored: Mapping[str, str],
) -> dict[str, Any]:
    """Writes indices, skip report and, last of all, the metadata, which it returns.

    Args:
        folder: folder of the shards.
        settings: settings of the run.
        recipe: the recipe used, with its statistics.
        speakers: names, in the order of their numbers.
        shards: all shards, in order.
        results: results of `workers.WriteShard` for each shard.
        ignored: files of the corpus that are passed over, with the reason.

    Raises:
        ValueError: if a shard is no longer there.
        OSError: if a file cannot be written.
    """
    skipped = [{"file": path, "reason": reason} for path, reason in ignored.items()]
    # A text of which every set has a stretch is skipped by each.
    unusable = {item["file"]: item for result in results for item in result["skipped"]}
    skipped += unusable.values()
    used = [(shard, result) for shard, result in zip(shards, results) if result["entries"]]
    metadata = {
        "format": records.FORMAT_VERSION,
        "settings": settings,
        "recipe": recipe.get_config(),
        "speakers": list(speakers),
        "splits": {split: _summary(split, used, recipe) for split in SPLITS},
        **_by_speaker(speakers, results, recipe),
        "source_sample_rates": _sample_rates(results),
        "skipped_files": len(skipped),
    }
    require_shards(metadata, folder)
    for split in SPLITS:
        chosen = [(s.file_name, r["entries"]) for s, r in used if s.split == split]
        reader.write_index(folder / reader.index_file(split), chosen)
        checksum = reader.index_checksum(folder / reader.index_file(split))
        metadata["splits"][split]["index_checksum"] = checksum
    files.write_json(folder / SKIPPED, skipped)
    metadata[metadata_checks.CHECKSUM] = metadata_checks.checksum(metadata)
    files.write_json(folder / progress.METADATA, metadata)
    return metadata


def require_shards(metadata: Mapping[str, Any], folder: pathlib.Path) -> None:
    """Checks that all shards are in their folder, with the size that they were written with.

    Args:
        metadata: describes the shards.
        folder: folder of the shards.

    Raises:
        ValueError: if a shard is missing or of another size; names it.
    """
    for split in metadata["splits"].values():
        for name, expected in split["shards"].items():
            path = folder / name
            size = path.stat().st_size if path.exists() else None
            if size != expected:
                raise ValueError(
                    f"Prepared data must be whole, with {expected} bytes of {name}; remove the "
                    f"folder and prepare again. Received: {size} bytes in {str(folder)!r}"
                )


def read(folder: pathlib.Path) -> dict[str, Any]:
    """Reads metadata.json of prepared data.

    Args:
        folder: written by `prepare`.

    Raises:
        ValueError: if there are no finished prepared data, the format version is another, or the
            content is damaged (see `metadata_checks`); the message names the file.
    """
    path = folder / progress.METADATA
    try:
        metadata = files.read_json(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        state = "an unfinished preparation" if progress.is_begun(folder) else "none"
        raise ValueError(
            "Prepared data are expected, with a metadata.json (run prepare first), found "
            f"{state}. Received: directory={str(folder)!r}"
        ) from error
    if not isinstance(metadata, dict):
        raise ValueError(
            f"{str(path)!r} is damaged, a mapping is expected; remove the folder and prepare again. "
            f"Received: {type(metadata).__name__}"
        )
    found = metadata.get("format", records.FORMAT_VERSION)
    if type(found) is int and found != records.FORMAT_VERSION:
        raise ValueError(
            f"Prepared data must be of format {records.FORMAT_VERSION}; prepare them again. "
            f"Received: format={found} in {str(path)!r}"
        )
    metadata_checks.check(metadata, repr(str(path)))
    return metadata


def _summary(
    split: str, used: Sequence[tuple[Shard, dict[str, Any]]], recipe: Recipe
) -> dict[str, Any]:
    """Returns the size of a split, and of each of its shards in bytes."""
    chosen = [(shard, result) for shard, result in used if shard.split == split]
    samples = sum(entry["samples"] for _, result in chosen for entry in result["entries"])
    return {
        "records": sum(len(result["entries"]) for _, result in chosen),
        "frames": samples // recipe.hop_samples,
        **_extent(samples, recipe),
        "shards": {shard.file_name: result["bytes"] for shard, result in chosen},
    }


def _extent(samples: int, recipe: Recipe) -> dict[str, Any]:
    """Converts a number of samples to seconds, or to characters of text."""
    if isinstance(recipe, TextRecipe):
        return {"characters": samples}
    return {"seconds": round(samples / recipe.sample_rate, 3)}


def _by_speaker(
    speakers: Sequence[str], results: Sequence[dict[str, Any]], recipe: Recipe
) -> dict[str, Any]:
    """Sums the prepared seconds or characters of every speaker."""
    samples: Counter[int] = Counter()
    for result in results:
        for entry in result["entries"]:
            samples[entry["speaker"]] += entry["samples"]
    by_unit: dict[str, Any] = {}
    for number, name in enumerate(speakers):
        for unit, amount in _extent(samples[number], recipe).items():
            by_unit.setdefault(f"{unit}_by_speaker", {})[name] = amount
    return by_unit


def _sample_rates(results: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Counts the used files by their sample rate in Hz."""
    total: Counter[int] = Counter()
    for result in results:
        total.update({int(rate): count for rate, count in result["sample_rates"].items()})
    return {str(rate): total[rate] for rate in sorted(total)}
