"""`evaluate` from model and recordings to report, page and audio files."""

from __future__ import annotations

import base64
import html.parser
import io
import json
import os
import re
import sys

import numpy as np
import pytest
import soundfile

from tests.support.clips import clip, diffusion_network, network, student_network
from tfwavenet import evaluation
from tfwavenet.audio import audio_files, comparison, recipes
from tfwavenet.evaluation import page, statistics
from tfwavenet.evaluation.report import summary_lines

RECIPE = recipes.get("speech_8k")
METRICS = [metric.name for metric in comparison.metrics_for(RECIPE.sample_rate)]


def _clips():
    clips = [
        clip("x/one", 0.5, speaker=0),
        clip("two", 0.4, speaker=1, f0_hz=210.0, seed=1),
        clip("three", 0.6, speaker=0, f0_hz=120.0, seed=2),
    ]
    clips[0].text, clips[2].text = "A < B.", "Yes!"
    return clips


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation") / "new"
    result = evaluation.evaluate(
        network(num_speakers=2, speaker_channels=2),
        iter(_clips()),
        output_dir=folder,
        speakers=["ann", "b<o>b"],
        join_seconds=1.0,
        griffin_lim_iterations=10,
        title="A & B",
        settings={"split": "test", "weights": "ema", "step": 12},
        config={"model": {"class_name": "WaveNet"}, "note": "<script>"},
    )
    return folder, result


class _Collector(html.parser.HTMLParser):
    """Collects tags with their attributes, and checks that they nest."""

    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def _collect(folder):
    collector = _Collector()
    collector.feed((folder / "index.html").read_text("utf-8"))
    collector.close()
    assert not collector.open
    return collector.tags


def test_the_report_is_what_is_returned(evaluated):
    folder, result = evaluated
    assert json.loads((folder / "report.json").read_text("utf-8")) == result
    assert sorted(path.name for path in folder.iterdir()) == ["audio", "index.html", "report.json"]


def test_the_report_says_what_was_measured(evaluated):
    _, result = evaluated
    assert result["utterances"] == 3
    assert result["sample_rate"] == 8000
    assert result["settings"]["split"] == "test"
    assert result["settings"]["seed"] == 0
    assert result["model"]["class"] == "WaveNet"
    assert result["model"]["parameters"] > 100
    samples = sum(len(item.signal) for item in _clips())
    assert result["loss"]["samples"] == samples
    bits = result["loss"]["bits_per_sample"]
    assert bits == pytest.approx(result["loss"]["per_sample"] / np.log(2))
    weights = [row["samples"] for row in result["segments"]]
    means = [row["loss_per_sample"] for row in result["segments"]]
    assert np.average(means, weights=weights) == pytest.approx(result["loss"]["per_sample"])


def test_short_recordings_of_a_speaker_are_joined(evaluated):
    _, result = evaluated
    rows = {row["name"]: row for row in result["segments"]}
    assert set(rows) == {"x/one … three", "two"}
    assert rows["x/one … three"]["speaker"] == "ann"
    assert rows["x/one … three"]["utterances"] == 2


@pytest.mark.parametrize("system", ["model", "griffin_lim", "quantized"])
def test_every_system_has_every_metric(evaluated, system):
    _, result = evaluated
    found = result["systems"][system]
    assert list(found["metrics"]) == METRICS
    assert found["seconds"] > 0
    for name, summary in found["metrics"].items():
        columns = {
            one: [row["scores"][one][name] for row in result["segments"]]
            for one in result["systems"]
        }
        measured = [values for values in columns.values() if set(values) != {None}]
        whole = [None not in row for row in zip(*measured)]
        values = [value for value, one in zip(columns[system], whole) if one and value is not None]
        assert summary["count"] == len(values)
        if values:
            assert summary["mean"] == pytest.approx(np.mean(values))
        else:
            assert summary["reason"]


def test_differences_are_the_model_minus_griffin_lim(evaluated):
    _, result = evaluated
    means = {
        name: result["systems"][name]["metrics"]["mcd"]["mean"] for name in ("model", "griffin_lim")
    }
    expected = means["model"] - means["griffin_lim"]
    assert result["differences"]["mcd"]["mean"] == pytest.approx(expected)


def test_audio_files_are_what_was_measured(evaluated):
    folder, result = evaluated
    names = {path.name for path in (folder / "audio").iterdir()}
    versions = ("recording", "model", "griffin_lim", "quantized")
    assert names == {f"{stem}.{v}.wav" for stem in ("x_one", "two", "three") for v in versions}
    pair = [
        audio_files.read(folder / "audio" / f"two.{v}.wav")[0] for v in ("recording", "quantized")
    ]
    scores = comparison.compare(*pair, sample_rate=8000)
    row = next(row for row in result["segments"] if row["name"] == "two")
    for name in ("spectral_convergence", "mcd", "f0_frame_error"):
        assert row["scores"]["quantized"][name] == pytest.approx(scores[name].value, rel=0.02)


def test_the_page_needs_no_other_file(evaluated):
    folder, _ = evaluated
    tags = _collect(folder)
    for tag, attributes in tags:
        assert tag != "link"
        assert attributes.get("src", "data:").startswith("data:")
        assert "href" not in attributes
    assert "url(" not in (folder / "index.html").read_text("utf-8")


def test_the_page_plays_every_version(evaluated):
    folder, _ = evaluated
    players = [attributes["src"] for tag, attributes in _collect(folder) if tag == "audio"]
    assert len(players) == 2 * 4
    kind, _, data = players[0].partition(",")
    assert kind == "data:audio/wav;base64"
    audio, rate = soundfile.read(io.BytesIO(base64.b64decode(data)))
    files_on_disk = [
        audio_files.read(folder / "audio" / f"{n}.recording.wav")[0] for n in ("x_one", "three")
    ]
    np.testing.assert_allclose(audio, np.concatenate(files_on_disk), atol=1e-4)
    assert rate == 8000
    assert sum(tag == "img" for tag, _ in _collect(folder)) == len(players)


def test_the_page_escapes_what_it_is_given(evaluated):
    folder, _ = evaluated
    text = (folder / "index.html").read_text("utf-8")
    assert "<title>A &amp; B: evaluation</title>" in text
    assert "b&lt;o&gt;b" in text
    assert "&lt;script&gt;" in text
    assert text.count("<script>") == 1


def test_the_page_names_the_model(evaluated):
    folder, result = evaluated
    text = (folder / "index.html").read_text("utf-8")
    assert f"WaveNet, {result['model']['parameters']:_} parameters".replace("_", " ") in text
    assert "Categorical(classes=256)" in text


def test_the_page_marks_the_better_system(evaluated):
    folder, result = evaluated
    text = (folder / "index.html").read_text("utf-8")
    marked = [page.best_system(result, metric) for metric in result["metrics"]]
    assert len(re.findall('<td class="best">', text)) == sum(name is not None for name in marked)
    # Two segments tell nothing.
    assert set(marked) == {None}
    assert "than</span> Griffin-Lim" not in text


def _report(differences):
    """A report of one metric: Griffin-Lim at 1, the model above it by so much."""
    metric = {"name": "m", "label": "M", "unit": "", "better": "higher", "about": ""}
    scores = {"model": [1.0 + one for one in differences], "griffin_lim": [1.0] * len(differences)}
    return {
        "metrics": [metric],
        "systems": {
            name: {"comparable": True, "metrics": {"m": {"mean": float(np.mean(values))}}}
            for name, values in scores.items()
        },
        "segments": [
            {"scores": {name: {"m": values[i]} for name, values in scores.items()}}
            for i in range(len(differences))
        ],
        "differences": {"m": statistics.paired_difference(*scores.values())},
    }


@pytest.mark.parametrize(
    ("differences", "best", "verdict"),
    [
        ([1.0, 1.1, 0.9, 1.0], None, ""),
        ([1.0, 1.1, 0.9, 1.0, 0.8], "model", "better than"),
        ([-0.5, -0.6, -0.4, -0.5, -0.5], "griffin_lim", "worse than"),
        ([1.0, -1.1, 0.9, -1.0, 0.9], None, "even with"),
    ],
)
def test_a_verdict_rests_on_five_segments_and_an_interval(differences, best, verdict):
    report = _report(differences)
    assert page.best_system(report, report["metrics"][0]) == best
    shown = page._with_verdict(report, report["metrics"][0], "Griffin-Lim")
    assert shown.replace("</span>", "").endswith(f"{verdict} Griffin-Lim".strip())
    assert ("tag" in shown) == bool(verdict)


def test_the_page_shows_the_sentences(evaluated):
    folder, result = evaluated
    assert [row["text"] for row in result["segments"]] == ["A < B. Yes!", ""]
    text = (folder / "index.html").read_text("utf-8")
    assert text.count('<p class="text soft">A &lt; B. Yes!</p>') == 1


def test_an_unconditional_model_is_measured_by_its_likelihood(tmp_path):
    model = network("Gaussian", conditional=False)
    result = evaluation.evaluate(model, _clips()[:1], output_dir=tmp_path)
    assert result["systems"]["model"]["metrics"] == {}
    assert result["loss"]["bits_per_sample"] is None
    text = (tmp_path / "index.html").read_text("utf-8")
    assert "Negative log-likelihood" in text
    assert "Against the recording" not in text


def test_a_diffusion_model_is_measured_by_its_denoising_error(tmp_path):
    sampling = {"schedule": [0.02, 0.1, 0.3]}
    result = evaluation.evaluate(
        diffusion_network(), _clips()[:1], output_dir=tmp_path, sampling=sampling
    )
    assert result["loss"]["name"] == "denoising error"
    # A fresh network predicts no noise: the mean of a normal variable's size.
    assert result["loss"]["per_sample"] == pytest.approx(np.sqrt(2 / np.pi), rel=0.05)
    assert list(result["systems"]) == ["model", "griffin_lim"]
    assert result["systems"]["model"]["metrics"]["spectral_convergence"]["mean"] > 0
    assert result["settings"]["schedule"] == "[0.02, 0.1, 0.3]"
    text = (tmp_path / "index.html").read_text("utf-8")
    assert "Denoising error" in text
    assert "noise of 10 diffusion steps" in text


def test_a_student_without_its_teacher_has_no_loss(tmp_path):
    options = {"output_dir": tmp_path, "griffin_lim_iterations": 2}
    report = evaluation.evaluate(student_network(), [clip("a", 0.5)], **options)
    assert report["loss"]["per_sample"] is None
    assert report["segments"][0]["loss_per_sample"] is None
    assert report["systems"]["model"]["metrics"]["spectral_convergence"]["mean"] > 0
    assert not [line for line in summary_lines(report) if "per sample" in line]
    assert "per sample" not in (tmp_path / "index.html").read_text("utf-8")


def test_further_models_are_columns_of_their_own(tmp_path):
    model, other = network(), network("Gaussian")
    options = {"output_dir": tmp_path, "griffin_lim_iterations": 2, "seed": 5}
    evaluation.evaluate(model, [clip("a", 0.5)], others={"Before it": other}, **options)
    made, _ = audio_files.read(tmp_path / "audio" / "a.before_it.wav")
    expected = np.clip(other.generate(clip("a", 0.5).mel, seed=5), -1, 1)
    np.testing.assert_allclose(made, expected, atol=1e-4)
    assert "Before it" in (tmp_path / "index.html").read_text("utf-8")


@pytest.mark.parametrize(
    "name", ["録音資料集" * 8 + "/" + "第一巻" * 14, os.fsdecode(b"Andr\xe9/1")]
)
def test_any_name_of_a_recording_can_be_written(name, tmp_path):
    item = clip(name, 0.5)
    item.text = os.fsdecode(b"caf\xe9")
    options = {"output_dir": tmp_path, "griffin_lim_iterations": 2}
    evaluation.evaluate(network(), [item], **options)
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["segments"]
    assert (tmp_path / "index.html").exists()
    assert len(list((tmp_path / "audio").glob("*.model.wav"))) == 1


def test_missing_packages_are_explained(tmp_path, monkeypatch):
    for name in ("pesq", "pystoi"):
        monkeypatch.setitem(sys.modules, name, None)
    result = evaluation.evaluate(
        network(), _clips()[:1], output_dir=tmp_path, griffin_lim_iterations=1
    )
    summary = result["systems"]["griffin_lim"]["metrics"]["pesq_nb"]
    assert summary["mean"] is None
    assert "tfwavenet[evaluate]" in summary["reason"]
    assert "tfwavenet[evaluate]" in (tmp_path / "index.html").read_text("utf-8")


@pytest.mark.parametrize(("utterances", "message"), [([], "At least one"), ("no recipe", "recipe")])
def test_bad_input_writes_nothing(utterances, message, tmp_path):
    model = network(conditional=False)
    if utterances == "no recipe":
        model.recipe = None
    with pytest.raises(ValueError, match=message):
        evaluation.evaluate(model, utterances, output_dir=tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0.000"),
        (0.12345, "0.123"),
        (-0.5, "−0.500"),
        (1.2345, "1.23"),
        (12.345, "12.3"),
        (1234.5, "1234"),
    ],
)
def test_numbers_are_short(value, text):
    assert page.number(value) == text
