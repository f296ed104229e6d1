"""Held-out likelihood against the network run step by step, and against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from tests.support.clips import FakeClip, clip, network
from tfwavenet.evaluation import loss


def _by_steps(model, item):
    """Sum of the negative log-likelihoods, sample by sample, in nats."""
    values = model.codec.encode(tf.constant(item.signal[np.newaxis]))
    conditioning = [None] * len(model.blocks)
    speaker = None if item.speaker is None else tf.constant([item.speaker])
    if model.upsampler is not None:
        padding, extra = model.upsampler.padding_frames, model.upsampler.left_context_frames
        after = model.upsampler.right_context_frames
        mel = np.pad(item.mel, ((padding, padding), (0, 0)), mode="edge")
        mel = np.pad(mel, ((extra, after), (0, 0)))[np.newaxis]
        index = np.arange(mel.shape[1] - 2 * padding) - extra
        mask = ((index >= 0) & (index < len(item.mel)))[np.newaxis]
        conditioning = model.conditioning(mel, mask, speaker)

    @tf.function
    def step(previous, current, state, at):
        params, state = model.network.step(previous, state, at)
        return model.distribution.log_prob(params, current)[0], state

    state, previous, total = model.network.initial_state(1), model.codec.initial_values(1), 0.0
    for t in range(values.shape[1]):
        at = [None if c is None else c[:, min(t, c.shape[1] - 1)] for c in conditioning]
        log_prob, state = step(previous, values[:, t], state, at)
        previous, total = values[:, t], total - float(log_prob)
    return total


@pytest.mark.parametrize(
    ("distribution", "conditional"),
    [("Categorical", True), ("MixtureOfLogistics", True), ("Gaussian", False)],
)
def test_equals_the_sum_over_single_steps(distribution, conditional):
    speakers = {"num_speakers": 2, "speaker_channels": 3} if conditional else {}
    model = network(distribution, conditional=conditional, **speakers)
    item = clip("a", 0.02, speaker=1 if conditional else None)
    found = loss.held_out_loss(model, [item])
    assert found.samples == (len(item.signal),)
    assert found.totals[0] == pytest.approx(_by_steps(model, item), rel=2e-5)


def test_the_mean_is_weighted_by_samples():
    model = network(conditional=False)
    items = [clip("a", 0.05), clip("b", 0.2, f0_hz=90.0)]
    both = loss.held_out_loss(model, items)
    single = [loss.held_out_loss(model, [item]) for item in items]
    assert both.totals == pytest.approx([one.totals[0] for one in single], rel=1e-6)
    total = sum(one.totals[0] for one in single) / sum(len(item.signal) for item in items)
    assert both.per_sample == pytest.approx(total)
    assert both.bits_per_sample == pytest.approx(total / math.log(2))
    assert both.ci95 is not None
    assert single[0].ci95 is None


def test_a_uniform_prediction_costs_eight_bits():
    model = network(conditional=False)
    for weight in model.weights:
        weight.assign(tf.zeros_like(weight))
    found = loss.held_out_loss(model, [clip("a", 0.05)])
    assert found.bits_per_sample == pytest.approx(8, abs=1e-5)


def test_a_density_has_no_bits():
    found = loss.held_out_loss(network("Gaussian", conditional=False), [clip("a", 0.05)])
    assert not found.discrete
    assert found.bits_per_sample is None


def test_lengths_share_one_graph():
    traces = []
    model = network(conditional=False)
    original = model.sample_loss

    def counted(batch, training):
        traces.append(batch["audio"].shape)
        return original(batch, training)

    model.sample_loss = counted
    loss.held_out_loss(model, [clip("a", 0.05), clip("b", 0.06), clip("c", 0.1)])
    assert len(traces) == 1


def test_bad_recordings():
    model = network(num_speakers=2, speaker_channels=3)
    with pytest.raises(ValueError, match="At least one utterance"):
        loss.held_out_loss(model, [])
    with pytest.raises(ValueError, match="needs mels"):
        loss.held_out_loss(model, [FakeClip("x", np.zeros(80, np.float32), speaker=0)])
    with pytest.raises(ValueError, match="needs a speaker"):
        loss.held_out_loss(model, [clip("x", 0.05)])
    broken = clip("x", 0.05, speaker=0)
    broken.mel = np.full_like(broken.mel, np.nan)
    with pytest.raises(ValueError, match="finite.*'x'"):
        loss.held_out_loss(model, [broken])
