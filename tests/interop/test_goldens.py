"""Imported networks compute what the published ones compute, on their own inputs and weights."""

import numpy as np
import pytest
import tensorflow as tf

from examples import nv_wavenet_test
from tests.support.shared import golden
from tfwavenet import interop
from tfwavenet.audio import audio_files, mulaw
from tfwavenet.generation import reverse_diffusion
from tfwavenet.interop import torch_files

TOLERANCE = 1e-4


def arrays(name):
    with np.load(golden(name)) as archive:
        return dict(archive)


def load(name):
    return interop.load(golden(name)).model


def relative_error(ours, theirs):
    return np.max(np.abs(np.asarray(ours) - theirs)) / np.max(np.abs(theirs))


def r9y9_batch(data):
    batch = {"audio": tf.constant(data["tokens"] if "tokens" in data else data["audio"])}
    for key in ("mel", "mel_frames_first"):
        if key in data:
            batch["mel"] = tf.constant(data[key])
    if "speaker" in data:
        batch["speaker"] = tf.constant(data["speaker"])
    return batch


@pytest.mark.parametrize("name", ["r9y9_mulaw", "r9y9_mol", "r9y9_gaussian", "r9y9_legacy"])
def test_r9y9_output(name):
    data = arrays(f"{name}.npz")
    assert relative_error(load(f"{name}.pth")(r9y9_batch(data)), data["output"]) < TOLERANCE


def test_r9y9_gaussian_negative_log_likelihood():
    data = arrays("r9y9_gaussian.npz")
    model = load("r9y9_gaussian.pth")
    nll = -model.distribution.log_prob(model(r9y9_batch(data)), tf.constant(data["target"]))
    assert relative_error(nll, data["nll_per_sample"]) < TOLERANCE


def published_mixture_nll(params, target, log_scale_min=-16.0):
    """r9y9's formula in float64, which subtracts two sigmoids; inner levels only."""
    logits, means, log_scales = np.split(params.astype(np.float64), 3, axis=-1)
    log_scales = np.maximum(log_scales, log_scale_min)
    centered, inverse = target.astype(np.float64)[..., np.newaxis] - means, np.exp(-log_scales)
    upper, lower = inverse * (centered + 1 / 65535), inverse * (centered - 1 / 65535)
    mass = 1 / (1 + np.exp(-upper)) - 1 / (1 + np.exp(-lower))
    weights = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return -np.log((weights * mass).sum(axis=-1))


def test_r9y9_mixture_negative_log_likelihood():
    data = arrays("r9y9_mol.npz")
    model = load("r9y9_mol.pth")
    nll = -model.distribution.log_prob(tf.constant(data["output"]), tf.constant(data["target"]))
    exact = published_mixture_nll(data["output"], data["target"])
    assert relative_error(nll, exact) < 1e-5
    # The published values carry the rounding of that subtraction in float32.
    rounding = relative_error(data["nll_per_sample"], exact)
    assert relative_error(nll, data["nll_per_sample"]) < TOLERANCE + rounding
    assert relative_error(np.mean(nll), np.mean(data["nll_per_sample"])) < TOLERANCE


def test_nv_wavenet_logits():
    data = arrays("nv_wavenet.npz")
    batch = {"audio": tf.constant(data["tokens"]), "mel": tf.constant(data["features"])}
    assert relative_error(load("nv_wavenet_state.pt")(batch), data["logits"]) < TOLERANCE


def test_nv_wavenet_conditioning():
    data = arrays("nv_wavenet.npz")
    model = load("nv_wavenet_state.pt")
    left = model.upsampler.left_context_frames
    window = tf.pad(data["features"], [[0, 0], [left, 0], [0, 0]])
    conditioning = model.conditioning(mel=window)
    ours = np.stack([np.transpose(c, [2, 0, 1]) for c in conditioning], axis=2)
    assert relative_error(ours, data["cond_input"]) < TOLERANCE


def test_nv_wavenet_greedy_generation_from_features():
    data = arrays("nv_wavenet.npz")
    model = load("nv_wavenet_state.pt")
    audio = model.generate(data["features"], temperature=0.0)
    np.testing.assert_array_equal(model.codec.encode(audio), data["greedy"])


def test_nv_wavenet_greedy_generation_by_the_engine():
    data = arrays("nv_wavenet.npz")
    engine = interop.NVWaveNet(**torch_files.read(golden("nv_wavenet.pt")))
    codes = engine.infer(data["cond_input"], interop.Impl.AUTO, temperature=0.0)
    np.testing.assert_array_equal(codes, data["greedy"])


def test_the_example_of_nv_wavenet_writes_audio(tmp_path, monkeypatch, capsys):
    conditioning = arrays("nv_wavenet.npz")["cond_input"]
    np.save(tmp_path / "cond_input.npy", conditioning)
    arguments = [f"--model={golden('nv_wavenet.pt')}", f"--cond_input={tmp_path}/cond_input.npy"]
    arguments += [f"--output={tmp_path}/audio.wav", "--seed=5"]
    monkeypatch.setattr("sys.argv", ["nv_wavenet_test", *arguments])
    nv_wavenet_test.main()
    audio, rate = audio_files.read(tmp_path / "audio.wav")
    engine = interop.NVWaveNet(**torch_files.read(golden("nv_wavenet.pt")))
    codes = engine.infer(conditioning[:, :1], seed=5)[0]
    np.testing.assert_array_equal(mulaw.encode(audio, classes=32), codes)
    assert rate == 16000 and len(audio) == 70


def test_codejin_output_and_loss():
    data = arrays("codejin/io.npz")
    model = load("codejin")
    batch = {
        "audio": tf.constant(data["audio"]),
        "mel": tf.constant(data["mel_with_pad"]),
        "speaker": tf.constant(data["speaker"]),
    }
    params = model(batch)
    assert relative_error(params, data["output"]) < TOLERANCE
    loss = -tf.reduce_mean(model.distribution.log_prob(params, tf.constant(data["target"])))
    assert relative_error(loss, data["loss"]) < TOLERANCE


LMNT = ["lmnt_conditional", "lmnt_unconditional"]


@pytest.mark.parametrize("kind", ["int", "float"])
@pytest.mark.parametrize("name", LMNT)
def test_lmnt_output(name, kind):
    data = arrays(f"{name}.npz")
    batch = {"audio": tf.constant(data["audio"]), "step": tf.constant(data[f"step_{kind}"])}
    if "spectrogram" in data:
        batch["mel"] = tf.constant(data["spectrogram"])
    assert relative_error(load(f"{name}.pt")(batch), data[f"output_{kind}"]) < TOLERANCE


@pytest.mark.parametrize("name", LMNT)
def test_lmnt_sampling_with_the_recorded_noise(name, monkeypatch):
    data = arrays(f"{name}.npz")
    # Programs are made for rounded lengths.
    recorded = tf.pad(data["sampler_noise"], [[0, 0], [0, 0], [0, 64]])

    def noise(seeds, stream, position, count):
        # The last step takes none: its factor is zero.
        drawn = recorded[tf.minimum(len(recorded) - stream, len(recorded) - 1)]
        return drawn[:, position : position + count]

    monkeypatch.setattr(reverse_diffusion, "noise_of", noise)
    model = load(f"{name}.pt")
    if "spectrogram" in data:
        audio = model.generate(data["spectrogram"])
    else:
        audio = model.generate(samples=data["sampler_audio"].shape[1])
    assert relative_error(audio, data["sampler_audio"]) < TOLERANCE
