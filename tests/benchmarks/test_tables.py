"""Benchmarks print a row for everything they measure, here of networks that are tiny."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import pathlib

import pytest

from benchmarks import generation, serving, turns, vocoders
from tests.support.clips import diffusion_network, network
from tfwavenet.training.config import resolve

pytestmark = pytest.mark.slow


def table(text):
    """The rows of a printed table: {column: cell}."""
    lines = [line[1:-1].split("|") for line in text.splitlines() if line.startswith("|")]
    columns, _, *rows = [[cell.strip() for cell in line] for line in lines]
    return [dict(zip(columns, row)) for row in rows]


def test_a_server_is_measured_under_each_number_of_clients(monkeypatch, capsys):
    networks = {"wavenet": lambda: network(num_speakers=2, speaker_channels=2)}
    networks["diffusion"] = lambda: diffusion_network(conditional=False)
    monkeypatch.setattr(serving, "build_model", lambda name: networks[name]())
    options = ["--networks", *networks, "--forms=portable", "--clients", "1", "2"]
    options += ["--requests=4", "--seconds=60", "--audio_seconds=0.02"]
    monkeypatch.setattr("sys.argv", ["serving", *options])
    serving.main()
    rows = table(capsys.readouterr().out)
    assert [(row["network"], row["clients"]) for row in rows] == [
        (name, clients) for name in networks for clients in "12"
    ]
    for row in rows:
        assert (row["form"], row["requests"], row["errors"]) == ("portable", "4", "0")
        assert float(row["audio"]) > 0
        assert 0 < float(row["p50 s"]) <= float(row["p99 s"])


def test_generation_shows_what_a_step_depends_on(monkeypatch, capsys, tmp_path):
    sizes = {"num_layers": 2, "residual_channels": 4, "gate_channels": 8, "skip_channels": 4}
    growth = {
        "receptive field": [{**sizes, "dilation_cycle": cycle} for cycle in (1, 2)],
        "batch": [{"batch": 3, **sizes}],
    }
    monkeypatch.setattr(generation, "GROWTH", growth)
    files = {name: tmp_path / f"growth.{name}" for name in ("json", "png")}
    options = ["--growth", "--repetitions=1", f"--json={files['json']}", f"--plot={files['png']}"]
    monkeypatch.setattr("sys.argv", ["generation", *options])
    generation.main()
    rows = table(capsys.readouterr().out)
    assert [(row["what"], row["value"], row["batch"]) for row in rows] == [
        ("receptive field", "3", "1"),
        ("receptive field", "4", "1"),
        ("batch", "3", "3"),
    ]
    assert [row["samples/s"] for row in json.loads(files["json"].read_text())] == pytest.approx(
        [float(row["samples/s"].replace(",", "")) for row in rows], rel=1e-3
    )
    assert files["png"].read_bytes().startswith(b"\x89PNG")


def test_every_autoregressive_config_is_measured():
    folder = pathlib.Path(__file__).parents[2] / "configs"
    # The network of a fine-tuning is that of what it starts from.
    others = {"__init__", "smoke", "quickstart", "fine_tuning"}
    names = {path.stem for path in folder.glob("*.py")} - others
    configs = {name: importlib.import_module(f"configs.{name}").get_config() for name in names}
    waves = {name for name, config in configs.items() if config.model.class_name == "WaveNet"}
    assert set(generation.CONFIGS) == waves
    model = generation.build_model("text")
    assert model.writes_text and len(model.generate(samples=4, jit_compile=False)[0]) == 4


TINY = {"residual_channels": 4, "gate_channels": 8, "skip_channels": 4}
SIZES = {
    "ParallelWaveNet": {**TINY, "flow_layers": [1, 2]},
    "WaveNet": {**TINY, "num_layers": 2, "dilation_cycle": 2},
    "DiffWave": {"num_layers": 2, "dilation_cycle": 2, "residual_channels": 4, "step_channels": 8},
}


def tiny(config):
    """A config with a tiny network of the same kind."""
    config.model.update(SIZES[config.model.class_name])
    return resolve(config)


def in_this_process(command, environment):
    """`turns.measured` without a process of its own."""
    assert command[1:3] == ["-m", vocoders.__name__]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.setattr("sys.argv", command[2:])
        importlib.import_module(command[2]).main()
    return json.loads(out.getvalue().splitlines()[-1])


def test_every_vocoder_is_measured(monkeypatch, capsys):
    monkeypatch.setattr(vocoders, "resolve", tiny)
    monkeypatch.setattr(turns, "measured", in_this_process)
    monkeypatch.setattr("sys.argv", ["vocoders", "--seconds=0.1", "--rounds=2", "--repetitions=1"])
    vocoders.main()
    rows = table(capsys.readouterr().out)
    assert [row["system"] for row in rows] == list(vocoders.SYSTEMS)
    for row in rows:
        assert 0 < float(row["best s"].replace(",", "")) <= float(row["median s"].replace(",", ""))
        assert float(row["time / duration"].replace(",", "")) > 0
        assert bool(row["of products"]) == row["system"].startswith("student")
