"""Puts the numbers of an evaluation together, as one JSON value."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np

from tfwavenet import version
from tfwavenet.audio import comparison
from tfwavenet.evaluation import statistics
from tfwavenet.evaluation.loss import HeldOutLoss
from tfwavenet.evaluation.synthesis import System
from tfwavenet.evaluation.utterances import Utterance, joined

FORMAT_VERSION = 1
Scores = list[dict[str, comparison.Score]]


@dataclasses.dataclass(frozen=True)
class Segment:
    """One or several utterances of a speaker, joined to be measured and listened to.

    Attributes:
        name: name of the utterance, or of the first and the last utterance.
        speaker: name of the speaker, or "" if there is none.
        text: the sentences that are said, or "" if they are unknown.
        utterances: indices of the utterances.
        recording: float32 [samples].
        systems: float32 [samples] of every system, in order.
    """

    name: str
    speaker: str
    text: str
    utterances: tuple[int, ...]
    recording: np.ndarray
    systems: tuple[np.ndarray, ...]


def segments(
    utterances: Sequence[Utterance],
    recordings: Sequence[np.ndarray],
    systems: Sequence[System],
    *,
    speakers: Sequence[str] = (),
    least_samples: int = 0,
) -> list[Segment]:
    """Joins short utterances, see `utterances.joined`.

    Args:
        utterances: the evaluated utterances.
        recordings: float32 [samples] of each utterance, as recorded.
        systems: the systems that generated the utterances again.
        speakers: names of the speakers, by number.
        least_samples: length that segments should have.
    """
    return [
        Segment(
            name=" … ".join(dict.fromkeys([utterances[group[0]].name, utterances[group[-1]].name])),
            speaker=_speaker_name(utterances[group[0]].speaker, speakers),
            text=" ".join(utterances[i].text or "" for i in group).strip(),
            utterances=tuple(group),
            recording=np.concatenate([recordings[i] for i in group]),
            systems=tuple(np.concatenate([s.audio[i] for i in group]) for s in systems),
        )
        for group in joined(utterances, least_samples=least_samples)
    ]


def _speaker_name(number: Optional[int], names: Sequence[str]) -> str:
    if number is None:
        return ""
    return names[number] if number < len(names) else str(number)


def score(found: Sequence[Segment], systems: Sequence[System], *, sample_rate: int) -> list[Scores]:
    """Computes all metrics of every system on every segment.

    A model without features has no scores, because it does not generate the recordings again.

    Args:
        found: the segments.
        systems: in the order of the segments' `systems`.
        sample_rate: in Hz.

    Returns:
        For every system a list with, for each segment, the scores by the metrics' names.
    """
    table: list[Scores] = []
    for index, system in enumerate(systems):
        if system.name in ("model", "folded") and not system.comparable:
            table.append([{} for _ in found])
            continue
        table.append(
            [
                comparison.compare(item.recording, item.systems[index], sample_rate=sample_rate)
                for item in found
            ]
        )
    return table


def build(
    *,
    loss: HeldOutLoss,
    found: Sequence[Segment],
    systems: Sequence[System],
    table: Sequence[Scores],
    sample_rate: int,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Puts the report together.

    Args:
        loss: loss of the utterances.
        found: the segments.
        systems: in the order of the segments' `systems`.
        table: from `score`.
        sample_rate: in Hz.
        about: further items of the report: model, settings, command.

    Returns:
        JSON values. `systems.<name>.metrics.<metric>` has `mean`, `ci95` (half of the 95 %
        confidence interval) and `count`, over the segments for which all systems have a value.
        `differences` holds the model minus Griffin-Lim, paired. `samples_per_second` counts all
        utterances of a batch, and leaves compilation out.
    """
    metrics = comparison.metrics_for(sample_rate)
    by_name = {system.name: scores for system, scores in zip(systems, table)}
    scored = [scores for scores in table if any(scores)]
    common = {
        metric.name: statistics.common_segments(
            [[row[metric.name] for row in scores] for scores in scored]
        )
        for metric in metrics
    }
    total = sum(loss.samples)
    return {
        **heading(loss, about),
        "sample_rate": sample_rate,
        "seconds": total / sample_rate,
        "metrics": [metric._asdict() for metric in metrics],
        "systems": {
            system.name: _system(system, scores, common, sample_rate)
            for system, scores in zip(systems, table)
        },
        "differences": _differences(by_name, metrics),
        "segments": [
            _segment(item, systems, [scores[i] for scores in table], loss)
            for i, item in enumerate(found)
        ],
    }


def heading(loss: HeldOutLoss, about: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the part that every report has.

    Args:
        loss: loss of the utterances or texts.
        about: further items of the report: model, settings, command.
    """
    return {
        "format": FORMAT_VERSION,
        "package": f"tfwavenet {version.__version__}",
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        **about,
        "utterances": len(loss.samples),
        "loss": {
            "name": loss.name,
            "unit": loss.unit,
            "per_sample": loss.per_sample,
            "per_sample_ci95": loss.ci95,
            "bits_per_sample": loss.bits_per_sample,
            "samples": sum(loss.samples),
            "discrete": loss.discrete,
        },
    }


def _system(
    system: System, scores: Scores, common: Mapping[str, Sequence[int]], sample_rate: int
) -> dict[str, Any]:
    rate = system.speed.samples_per_second if system.speed else None
    return {
        "label": system.label,
        "about": system.about,
        "comparable": system.comparable,
        "seconds": system.seconds,
        "samples_per_second": rate,
        "real_time_factor": None if rate is None else sample_rate / rate,
        "metrics": {
            name: statistics.summary([row[name] for row in scores], indices)
            for name, indices in common.items()
            if all(name in row for row in scores)
        },
    }


def _differences(
    by_name: Mapping[str, Scores], metrics: Sequence[comparison.Metric]
) -> dict[str, Any]:
    if "griffin_lim" not in by_name:
        return {}
    pairs = list(zip(by_name["model"], by_name["griffin_lim"]))
    return {
        metric.name: statistics.paired_difference(
            [ours[metric.name].value for ours, _ in pairs],
            [theirs[metric.name].value for _, theirs in pairs],
        )
        for metric in metrics
    }


def _segment(
    item: Segment,
    systems: Sequence[System],
    scores: Sequence[dict[str, comparison.Score]],
    loss: HeldOutLoss,
) -> dict[str, Any]:
    return {
        "name": item.name,
        "speaker": item.speaker,
        "text": item.text,
        "utterances": len(item.utterances),
        "samples": sum(loss.samples[i] for i in item.utterances),
        "loss_per_sample": loss.mean_of(item.utterances),
        "scores": {
            system.name: {name: value.value for name, value in row.items()}
            for system, row in zip(systems, scores)
        },
    }


def summary_lines(report: dict[str, Any]) -> list[str]:
    """Returns a report in a few lines for a terminal.

    Args:
        report: from `evaluate`.
    """
    if "text" in report:
        return [_text_line(report["text"])]
    loss = report["loss"]
    bits = loss["bits_per_sample"]
    shown = "" if bits is None else f", {bits:.4f} bits"
    lines = []
    if loss["per_sample"] is not None:
        lines.append(f"{loss['name']}: {loss['per_sample']:.4f} {loss['unit']}{shown} per sample")
    for metric in report["metrics"]:
        means = [
            f"{system['label']} {_shown(system['metrics'][metric['name']]['mean'])}"
            for system in report["systems"].values()
            if metric["name"] in system["metrics"]
        ]
        if means:
            lines.append(f"{metric['label']} ({metric['better']} is better): {', '.join(means)}")
    return lines


def _text_line(text: Mapping[str, Any]) -> str:
    ci95 = "" if text["ci95"] is None else f" ± {text['ci95']:.4f}"
    return (
        f"{text['bits_per_character']:.4f}{ci95} bits per character "
        f"({text['unknown_share']:.4%} of {text['characters']} characters are unknown; "
        f"bzip2 takes {text['bz2']:.4f} bits)"
    )


def _shown(mean: Optional[float]) -> str:
    return "none" if mean is None else f"{mean:.3f}"
