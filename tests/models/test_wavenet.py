import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import streaming, tiny_models
from tests.support.keras_files import KERAS_3, through_saved_model
from tfwavenet import rng
from tfwavenet.layers import StretchUpsampler
from tfwavenet.models import WaveNet

TINY = {"num_layers": 3, "dilation_cycle": 3, "residual_channels": 4, "gate_channels": 8}
TINY.update(skip_channels=6, kernel_size=2)
MOL = {"class_name": "MixtureOfLogistics", "config": {"components": 2}}


def vocoder(**kwargs):
    keras.utils.set_random_seed(1)
    settings = {"distribution": MOL, "num_speakers": 3, "speaker_channels": 2, "local_channels": 5}
    upsampler = StretchUpsampler((2, 3), padding_frames=1, input_context=True)
    return WaveNet(**{**TINY, **settings, "upsampler": upsampler, **kwargs})


def batch(samples=24, size=2):
    draw = rng.split(rng.make_seed(0), 2)
    return {
        "audio": 0.5 * tf.sin(rng.normal([size, samples], draw[0])),
        "mel": rng.normal([size, samples // 6 + 2, 5], draw[1]),
        "speaker": tf.range(size) % 3,
    }


@pytest.mark.parametrize("input_kernel_size", [1, 2])
@pytest.mark.parametrize(
    ("kernel_size", "layers", "cycle"), [(2, 3, 3), (3, 2, 2), (2, 4, 2), (1, 2, 1)]
)
def test_receptive_field(kernel_size, layers, cycle, input_kernel_size):
    sizes = {"num_layers": layers, "dilation_cycle": cycle, "kernel_size": kernel_size}
    model = WaveNet(
        **{**TINY, **sizes}, distribution="Gaussian", input_kernel_size=input_kernel_size
    )
    audio = batch(36, 1)["audio"]
    measured = streaming.measured_receptive_field(
        lambda x: model({"audio": x[..., 0]}), audio[..., tf.newaxis]
    )
    dilated = sum(2 ** (i % cycle) for i in range(layers)) * (kernel_size - 1)
    assert model.receptive_field == measured == dilated + input_kernel_size


def test_no_parameter_depends_on_the_future():
    model, data = vocoder(), batch()
    params = model(data).numpy()
    audio = tf.where(tf.range(24) > 10, np.nan, data["audio"])
    poisoned = model({**data, "audio": audio}).numpy()
    np.testing.assert_array_equal(poisoned[:, :11], params[:, :11])
    assert np.isnan(poisoned[:, 11:]).all()


def test_the_loss_never_sees_the_sample_it_predicts():
    model, data = vocoder(), batch()
    audio = tf.where(tf.range(24) > 10, np.nan, data["audio"])
    nll = model.nll({**data, "audio": audio}).numpy()
    np.testing.assert_array_equal(nll[:, :11], model.nll(data)[:, :11])


SWITCHES = [
    {},
    {"skip_mode": "sum"},
    {"skip_mode": "recursive", "last_residual": True},
    {"residual_scale": 1.0, "head_bias": False, "head_channels": 5},
    {"input_kernel_size": 2, "input_bias": False, "input_activation": "tanh"},
    {"local_bias": True, "global_bias": True, "weight_norm": False},
    {"head_weight_norm": False, "dropout": 0.1},
    {"upsampler": {"class_name": "TransposedUpsampler", "config": {"scales": (2, 3)}}},
    {"distribution": "Gaussian"},
    {"distribution": {"class_name": "Categorical", "config": {"classes": 16}}},
    {"recipe": {"base": "speech_8k", "n_mels": 5, "hop_samples": 6}},
    {"num_speakers": None},
]
# Further ones whose step has something of its own.
STEPPED = [
    *SWITCHES,
    {"kernel_size": 1},
    {"kernel_size": 3, "num_layers": 4, "dilation_cycle": 2},
    {"input_kernel_size": 3, "distribution": {"class_name": "Categorical", "config": {}}},
    {"skip_mode": "recursive", "head_bias": False, "head_weight_norm": False},
    {
        "project_local": False,
        "local_channels": 3 * 8,
        "upsampler": {"class_name": "StretchUpsampler", "config": {"scales": ()}},
    },
]


def batch_for(model, samples=24):
    """A batch like that of `batch`, in the shapes that the switches of a model ask for."""
    data, upsampler = batch(samples), model.upsampler
    frames = samples // upsampler.hop_samples + 2 * upsampler.padding_frames
    data["mel"] = rng.normal([2, frames, model.local_channels], rng.make_seed(7))
    if model.num_speakers is None:
        data["speaker"] = tf.ones([2, 2])
    return data


def conditioning_of(model, data):
    """What each layer knows of a whole batch, by the way of generation: as a window."""
    left, right = model.upsampler.left_context_frames, model.upsampler.right_context_frames
    mel = tf.pad(data["mel"], [[0, 0], [left, right], [0, 0]])
    inside = tf.ones([2, data["mel"].shape[1] - 2 * model.upsampler.padding_frames], tf.bool)
    mask = tf.pad(inside, [[0, 0], [left, right]])
    return model.conditioning(mel, mask, data["speaker"])


@pytest.mark.parametrize("switches", STEPPED, ids=lambda s: ",".join(s) or "defaults")
def test_steps_over_given_values_equal_the_call_under_every_switch(switches):
    model = vocoder(**switches)
    model.build()
    tiny_models.stir(model, 0.3)
    data = batch_for(model)
    expected, values = model(data).numpy(), model.codec.encode(data["audio"])
    conditioning, weights = conditioning_of(model, data), model.network.folded_weights()
    state = model.network.initial_state(2)
    for t in range(24):
        at = [None if c is None else c[:, t if c.shape[1] > 1 else 0] for c in conditioning]
        params, state = model.network.step(values[:, t], state, at, weights)
        bound = streaming.TOLERANCE * np.max(np.abs(expected))
        np.testing.assert_allclose(params, expected[:, t], rtol=0, atol=bound, err_msg=str(t))


@pytest.mark.parametrize("switches", SWITCHES, ids=lambda s: ",".join(s) or "defaults")
def test_every_switch_trains_and_survives_its_configuration(switches, tmp_path):
    model = vocoder(**switches)
    data = batch_for(model)
    model.compile(keras.optimizers.Adam(1e-3))
    history = model.fit(tf.data.Dataset.from_tensors(data), verbose=0).history
    assert math.isfinite(history["loss"][0])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(data), model(data))
    assert again.get_config() == model.get_config()


@pytest.mark.parametrize("is_built", [False, True])
def test_a_built_model_need_not_have_been_called_to_be_saved(is_built, tmp_path):
    model, data = vocoder(), batch()
    model.build() if is_built else model(data)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(data), model(data))


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW"])
def test_fit_traces_a_step_once(optimizer, monkeypatch):
    model, traces, step = vocoder(), [], WaveNet.train_step
    monkeypatch.setattr(WaveNet, "train_step", lambda *args: traces.append(1) or step(*args))
    model.compile(getattr(keras.optimizers, optimizer)(1e-3))
    for _ in range(2):
        model.fit(tf.data.Dataset.from_tensors(batch()).repeat(3), verbose=0)
    assert len(traces) == 1


def test_a_speaker_out_of_range_is_named_while_training():
    model = vocoder()
    model.compile(keras.optimizers.Adam(1e-3))
    data = {**batch(), "speaker": tf.constant([0, 3])}
    sentence = r"Expected speaker numbers in 0 \.\. 2\. Received: speaker=\] \[0 3\]"
    with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
        model.fit(tf.data.Dataset.from_tensors(data), verbose=0)


def test_training_of_speakers_is_compiled_by_xla():
    model = vocoder()
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=True)
    history = model.fit(tf.data.Dataset.from_tensors(batch()), verbose=0).history
    assert math.isfinite(history["loss"][0])


@pytest.mark.skipif(KERAS_3, reason="Keras 3 has no legacy optimizers")
def test_a_legacy_optimizer_trains():
    model = vocoder()
    model.compile(keras.optimizers.legacy.SGD(1e-3))
    history = model.fit(tf.data.Dataset.from_tensors(batch()), verbose=0).history
    assert math.isfinite(history["loss"][0])


def test_what_nobody_reads_is_not_trained(caplog):
    model = vocoder(last_residual=True)
    model.compile(keras.optimizers.Adam(1e-3))
    model.build()
    unread = model.blocks[-1].residual_projection.weights
    before = [weight.numpy() for weight in unread]
    model.fit(tf.data.Dataset.from_tensors(batch()), verbose=0)
    assert not [record for record in caplog.records if "Gradients" in record.getMessage()]
    assert not {id(weight) for weight in unread} & {id(w) for w in model.trainable_weights}
    assert len(before) == 3
    for old, weight in zip(before, unread):
        np.testing.assert_array_equal(weight, old)


def test_fit_with_stock_callbacks(tmp_path):
    model, data = vocoder(), tf.data.Dataset.from_tensors(batch()).repeat(3)
    model.compile(keras.optimizers.Adam(1e-2, global_clipnorm=1.0))
    callbacks = [
        keras.callbacks.EarlyStopping("val_loss", patience=50),
        keras.callbacks.ReduceLROnPlateau("val_loss", patience=50),
        keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras")),
        keras.callbacks.ModelCheckpoint(str(tmp_path / "best.weights.h5"), save_weights_only=True),
        keras.callbacks.BackupAndRestore(str(tmp_path / "backup")),
        keras.callbacks.TensorBoard(str(tmp_path / "logs")),
        keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
        keras.callbacks.TerminateOnNaN(),
    ]
    history = model.fit(
        data, validation_data=data, epochs=8, callbacks=callbacks, verbose=0
    ).history
    assert history["loss"][-1] < history["loss"][0] - 0.1
    assert history["val_bits_per_sample"][-1] == pytest.approx(
        history["val_loss"][-1] / math.log(2), rel=1e-5
    )
    # Of what has another name, Keras' progress bar averages the averages.
    assert model.metrics_names == ["loss", "bits_per_sample"]
    again = keras.models.load_model(tmp_path / "8.keras")
    np.testing.assert_array_equal(again(batch()), model(batch()))


def test_masked_samples_do_not_count():
    model, data = vocoder(), batch()
    model.compile()
    masked = {**data, "mask": tf.tile(tf.range(24)[tf.newaxis] < 12, [2, 1])}
    results = model.test_step(masked)
    expected = tf.reduce_mean(model.nll(data)[:, :12])
    np.testing.assert_allclose(results["loss"], expected, rtol=1e-5)


def test_a_batch_may_be_masked_as_a_whole():
    model = vocoder()
    model.compile(keras.optimizers.Adam())
    masked = {**batch(), "mask": tf.zeros([2, 24], tf.bool)}
    assert model.train_step(masked)["loss"] == 0.0
    assert all(np.isfinite(weight.numpy()).all() for weight in model.trainable_weights)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_stays_near_float32(policy):
    reference, data = vocoder(), batch()
    expected = reference.nll(data).numpy()
    keras.mixed_precision.set_global_policy(policy)
    model = vocoder()
    model.build()
    model.set_weights(reference.get_weights())
    assert model.nll(data).dtype == tf.float32
    np.testing.assert_allclose(model.nll(data), expected, atol=0.1)
    assert all(weight.dtype == tf.float32 for weight in model.trainable_weights)
    model.compile(keras.optimizers.Adam(1e-3))
    history = model.fit(tf.data.Dataset.from_tensors(data), verbose=0).history
    assert math.isfinite(history["loss"][0])


def test_dropout_repeats_itself_with_the_step_and_the_seed():
    data = batch()

    def trained(seed):
        model = vocoder(dropout=0.5, seed=seed)
        model.compile(keras.optimizers.Adam(1e-2))
        model.fit(tf.data.Dataset.from_tensors(data).repeat(3), verbose=0)
        return model(data).numpy()

    np.testing.assert_array_equal(trained(0), trained(0))
    assert np.any(trained(0) != trained(1))


def test_saved_model(tmp_path):
    model, data = vocoder(), batch()
    expected = model(data)
    loaded = through_saved_model(model, tmp_path / "saved_model", data)
    np.testing.assert_allclose(loaded(data), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_layers": 0}, "`num_layers` must be a positive integer. Received: num_layers=0"),
        ({"skip_mode": "mean"}, "`skip_mode` must be .* Received: skip_mode='mean'"),
        ({"local_channels": None}, "`local_channels` or a `recipe`"),
        (
            {"recipe": "speech_8k", "local_channels": None},
            r"recipe's hop of 80 samples. Received: scales=\(2, 3\)",
        ),
        (
            {"recipe": {"base": "speech_8k", "n_mels": 4, "hop_samples": 6}},
            "recipe's 4 feature channels. Received: local_channels=5",
        ),
        ({"upsampler": {"class_name": "Nearest", "config": {}}}, "an upsampler of .*'Nearest'"),
        ({"channels": 3}, "channels"),
    ],
)
def test_arguments_that_contradict_each_other(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        vocoder(**arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mel": None}, 'batch with "mel"'),
        ({"speaker": None}, 'batch with "speaker"'),
        ({"mel": tf.zeros([2, 6, 4])}, r"\[batch, frames, 5\]. Received: shape=\(2, 6, 4\)"),
        ({"mel": tf.zeros([6, 5])}, r"\[batch, frames, 5\]. Received: shape=\(6, 5\)"),
        ({"mel": tf.zeros([2, 9, 5])}, "24 samples.*Received: 42 samples' worth"),
    ],
)
def test_batches_that_do_not_fit(change, message):
    data = {key: value for key, value in {**batch(), **change}.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        vocoder()(data)
