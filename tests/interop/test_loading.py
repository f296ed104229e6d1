"""What `load` accepts and refuses, on checkpoints of r9y9 as the example."""

import dataclasses
import json

import joblib
import numpy as np
import pytest
import tensorflow as tf
from sklearn.preprocessing import StandardScaler

from tests.support.checkpoints import FILES
from tfwavenet import interop
from tfwavenet.audio import recipes
from tfwavenet.interop import checkpoint, nv_wavenet, r9y9


def r9y9_state(*, layers=4, residual=6, gate=8, skip=5, mels=7, scales=(2, 3), speakers=None):
    rng = np.random.default_rng(0)
    state = {}

    def normed(name, *shape, bias=True):
        state[f"{name}.weight_v"] = rng.normal(size=shape).astype(np.float32)
        gains = [shape[0], *[1] * (len(shape) - 1)]
        state[f"{name}.weight_g"] = rng.normal(size=gains).astype(np.float32)
        if bias:
            state[f"{name}.bias"] = rng.normal(size=shape[:1]).astype(np.float32)

    normed("first_conv", residual, 1, 1)
    for index in range(layers):
        layer = f"conv_layers.{index}."
        normed(layer + "conv", gate, residual, 3)
        normed(layer + "conv1x1c", gate, mels, 1, bias=False)
        if speakers:
            normed(layer + "conv1x1g", gate, 3, 1, bias=False)
        normed(layer + "conv1x1_out", residual, gate // 2, 1)
        normed(layer + "conv1x1_skip", skip, gate // 2, 1)
    normed("last_conv_layers.1", skip, skip, 1)
    normed("last_conv_layers.3", 30, skip, 1)
    if speakers:
        state["embed_speakers.weight"] = rng.normal(size=[speakers, 3]).astype(np.float32)
    state["upsample_net.conv_in.weight"] = rng.normal(size=[mels, mels, 5]).astype(np.float32)
    for index, scale in enumerate(scales):
        name = f"upsample_net.upsample.up_layers.{2 * index + 1}"
        normed(name, 1, 1, 1, 2 * scale + 1, bias=False)
    return state


def folded(state):
    """The same network after the project's `make_generation_fast_`."""
    result = {name: value for name, value in state.items() if "weight_" not in name}
    for name in (name[: -len("_g")] for name in state if name.endswith("weight_g")):
        v = np.float64(state[f"{name}_v"])
        norm = np.sqrt((v**2).sum(axis=tuple(range(1, v.ndim)), keepdims=True))
        result[name] = np.float32(state[f"{name}_g"] * v / norm)
    return result


HYPERPARAMETERS = {"stacks": 2, "cin_pad": 2}


def convert(state, folder, **hyperparameters):
    given = {**HYPERPARAMETERS, **hyperparameters}
    found = checkpoint.Source(folder / "step9.pth", state, {"global_step": 9}, given)
    return r9y9.convert(found)


def batch(speakers=False):
    rng = np.random.default_rng(1)
    data = {
        "audio": rng.uniform(-1, 1, [2, 12]).astype(np.float32),
        "mel": rng.normal(size=[2, 6, 7]).astype(np.float32),
    }
    if speakers:
        data["speaker"] = tf.constant([1, 0])
    return data


@pytest.mark.parametrize("speakers", [None, 3])
def test_folded_weights_give_the_same_network(tmp_path, speakers):
    state = r9y9_state(speakers=speakers)
    normed, step = convert(state, tmp_path)
    plain, _ = convert(folded(state), tmp_path)
    np.testing.assert_allclose(
        plain(batch(speakers)), normed(batch(speakers)), rtol=1e-4, atol=1e-5
    )
    assert (step, normed.weight_norm, plain.weight_norm) == (9, True, False)


def test_names_of_newer_weight_normalisation_and_of_several_processes(tmp_path):
    from tfwavenet.interop.tensors import torch_names

    state = r9y9_state()
    newer = {
        "module."
        + name.replace("weight_g", "parametrizations.weight.original0").replace(
            "weight_v", "parametrizations.weight.original1"
        ): value
        for name, value in state.items()
    }
    assert torch_names(newer).keys() == state.keys()


def test_statistics_beside_the_checkpoint_become_the_recipes(tmp_path):
    scaler = StandardScaler().fit(np.random.default_rng(2).normal(3, 2, [50, 7]))
    joblib.dump(scaler, tmp_path / "meanvar.joblib")
    model, _ = convert(r9y9_state(), tmp_path)
    np.testing.assert_allclose(model.recipe.mean, scaler.mean_)
    np.testing.assert_allclose(model.recipe.std, scaler.scale_)


@pytest.mark.parametrize("content", [{"a": print}, np.zeros(3), "scaler"])
def test_other_statistics_are_refused(tmp_path, content):
    joblib.dump(content, tmp_path / "meanvar.joblib")
    with pytest.raises(ValueError, match="meanvar.joblib' is not a StandardScaler"):
        convert(r9y9_state(), tmp_path)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("mean_", [0.0, np.nan, 0, 0, 0, 0, 0], r"finite means.* Received: mean_\[1\]=nan"),
        ("mean_", [0.0, 0, 0, 0, 0, 0, np.inf], r"finite means.* Received: mean_\[6\]=inf"),
        ("mean_", ["a"] * 7, r"not a StandardScaler"),
        ("mean_", np.array(["1"] * 7, object), r"not a StandardScaler|numbers as mean_"),
        ("mean_", "text", "numbers as mean_ .* Received: str"),
        ("mean_", None, "numbers as mean_ .* Received: NoneType"),
        ("mean_", [1.0] * 7, None),
        ("mean_", [True] * 7, "numbers as mean_|not a StandardScaler"),
        ("scale_", None, "numbers as scale_ .* Received: NoneType"),
        ("scale_", [1.0] * 3, r"statistics of 7 mel bins.* Received: shape=\(3,\), of scale_"),
        ("scale_", [1.0] * 6 + [0.0], r"deviations above 0.* Received: scale_\[6\]=0.0"),
        ("scale_", [-1.0] * 7, r"deviations above 0.* Received: scale_\[0\]=-1.0"),
        ("scale_", [np.nan] * 7, r"deviations above 0.* Received: scale_\[0\]=nan"),
        ("scale_", np.ones([7, 1]), r"shape=\(7, 1\), of scale_"),
        ("scale_", 1.0, "numbers as scale_ .* Received: float"),
    ],
)
def test_statistics_that_are_none_are_refused(tmp_path, name, values, message):
    scaler = StandardScaler().fit(np.random.default_rng(2).normal(3, 2, [50, 7]))
    setattr(scaler, name, np.array(values) if isinstance(values, list) else values)
    joblib.dump(scaler, tmp_path / "meanvar.joblib")
    if message is None:
        convert(r9y9_state(), tmp_path)
        return
    with pytest.raises(ValueError, match=message) as caught:
        convert(r9y9_state(), tmp_path)
    assert len(str(caught.value).splitlines()) == 1
    assert "Received: " in str(caught.value)


def test_statistics_of_other_features_are_refused(tmp_path):
    joblib.dump(StandardScaler().fit(np.eye(8)), tmp_path / "meanvar.joblib")
    with pytest.raises(ValueError, match=r"statistics of 7 mel bins.* Received: shape=\(8,\)"):
        convert(r9y9_state(), tmp_path)


def test_the_published_configuration_gives_the_named_recipe(tmp_path):
    state = r9y9_state(mels=80, scales=(4, 4, 4, 4))
    published = {
        "sample_rate": 22050,
        "num_mels": 80,
        "fft_size": 1024,
        "hop_size": 256,
        "win_length": 1024,
        "fmin": 125,
        "fmax": 7600,
        "highpass_cutoff": 70.0,
        "global_gain_scale": 0.55,
    }
    model, _ = convert(state, tmp_path, **published)
    assert model.recipe == recipes.get("r9y9")
    other, _ = convert(state, tmp_path, **{**published, "sample_rate": 16000})
    assert other.recipe == dataclasses.replace(recipes.get("r9y9"), sample_rate=16000)


def legacy_state(scales):
    """A network of before v0.2, whose upsampler is made of transposed convolutions."""
    rng = np.random.default_rng(3)
    state = {k: v for k, v in r9y9_state().items() if not k.startswith("upsample_net")}
    for index in range(4):
        state[f"conv_layers.{index}.conv1x1c.bias"] = rng.normal(size=8).astype(np.float32)
    for index, scale in enumerate(scales):
        name = f"upsample_conv.{2 * index}"
        state[f"{name}.weight_v"] = rng.normal(size=[1, 1, 3, scale]).astype(np.float32)
        state[f"{name}.weight_g"] = np.ones([1, 1, 1, 1], np.float32)
        state[f"{name}.bias"] = np.zeros([1], np.float32)
    return state


@pytest.mark.parametrize(
    ("scales", "key"), [((2, 3), "hop_size"), ((3,), "hop_size"), ((5, 7), "hop_size")]
)
def test_a_recipe_that_cannot_be_derived_is_none_and_the_network_loads(
    tmp_path, caplog, scales, key
):
    with caplog.at_level("WARNING"):
        model, step = convert(legacy_state(scales), tmp_path, fmin=0.0)
    assert model.recipe is None
    assert step == 9
    (said,) = [record.getMessage() for record in caplog.records]
    assert f"no recipe can be derived from {key}" in said
    hop = int(np.prod(scales))
    audio = np.zeros([2, 2 * hop], np.float32)
    assert model({"audio": audio, "mel": batch()["mel"][:, :2]}).shape[1] == 2 * hop


def test_a_recipe_of_before_that_can_be_derived_is_kept(tmp_path):
    model, _ = convert(legacy_state((16, 16)), tmp_path, fft_size=1024)
    assert model.recipe.hop_samples == 256


def test_a_contradiction_is_an_error_where_no_recipe_can_be_derived(tmp_path):
    with pytest.raises(ValueError, match="Expected hop_size=6"):
        convert(legacy_state((2, 3)), tmp_path, hop_size=256)


def without(name):
    return lambda state: state.pop(name)


def replaced(name, *shape):
    return lambda state: state.update({name: np.ones(shape, np.float32)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("conv_layers.2.conv1x1_out.bias"), "a tensor 'conv_layers.2.conv1x1_out.bias'"),
        (without("last_conv_layers.3.weight_g"), "a tensor 'last_conv_layers.3.weight_g'"),
        (
            replaced("conv_layers.1.conv.weight_v", 8, 6, 2),
            r"'conv_layers.1.conv.weight_v' of shape \(8, 6, 3\).* Received: shape=\(8, 6, 2\)",
        ),
        (
            replaced("conv_layers.1.conv.weight_g", 4, 1, 1),
            r"'conv_layers.1.conv.weight_g' of shape \(8, 1, 1\).* shape=\(4, 1, 1\)",
        ),
        (replaced("conv_layers.0.new", 1), "Received: conv_layers.0.new, for which it has no"),
        (
            lambda state: state["conv_layers.0.conv.bias"].fill(np.nan),
            "finite weights. Received: conv_layers.0.conv.bias with NaN",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(tmp_path, change, message):
    state = r9y9_state()
    change(state)
    with pytest.raises(ValueError, match=message):
        convert(state, tmp_path)


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        (
            {"layers": 6},
            "Expected layers=4, as the tensors have it. Received: layers=6",
        ),
        ({"kernel_size": 2}, "Expected kernel_size=3"),
        ({"out_channels": 2}, "Expected out_channels=30"),
        ({"cin_pad": 1}, "Expected cin_pad=2"),
        ({"hop_size": 256}, "Expected hop_size=6"),
        ({"num_mels": 80}, "Expected num_mels=7"),
        ({"scalar_input": False}, "Expected scalar_input=True"),
        ({"stacks": 3}, "'stacks', a divisor of its 4 layers"),
        ({"upsample_params": {"upsample_activation": "Swish"}}, "upsample_activation='Swish'"),
    ],
)
def test_hyperparameters_that_contradict_the_tensors_are_named(tmp_path, hyperparameters, message):
    with pytest.raises(ValueError, match=message):
        convert(r9y9_state(), tmp_path, **hyperparameters)


def test_what_no_tensor_tells_must_be_given(tmp_path):
    with pytest.raises(ValueError, match="hyper-parameter 'stacks'.* Received: stacks=None"):
        convert(r9y9_state(), tmp_path, stacks=None)


@pytest.mark.parametrize("key", ["max_dilation", "use_embed_tanh"])
def test_the_wrappers_dictionary_must_be_whole(tmp_path, key):
    arrays = {"embedding_curr": np.ones([8, 4]), "dilate_weights.0": np.ones([8, 4, 2])}
    content = {name: 1 for name in ("max_dilation", "use_embed_tanh") if name != key}
    with pytest.raises(ValueError, match=f"Expected '{key}' .* config.json .*--hyperparameters"):
        nv_wavenet.convert(checkpoint.Source(tmp_path / "model.pt", arrays, content))


def test_a_checkpoint_of_no_known_project(tmp_path):
    tf.train.Checkpoint(weight=tf.Variable(1.0)).write(str(tmp_path / "mine"))
    with pytest.raises(
        ValueError, match=r"one of the projects codejin, .* with the tensors weight"
    ):
        interop.load(tmp_path / "mine")


@pytest.mark.parametrize("content", [b"", b"RIFF....WAVE", b"PK\x03\x04 cut"])
def test_a_file_of_another_kind(tmp_path, content):
    path = tmp_path / "file.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"file\.pth"):
        interop.load(path)


def test_a_file_of_keras_needs_no_import(tmp_path):
    model, _ = convert(r9y9_state(), tmp_path)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    for name in ("model.keras", "model.weights.h5"):
        with pytest.raises(ValueError, match=r"which needs no import: load it by tfwavenet.load_m"):
            interop.load(tmp_path / name)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.99])
def test_a_zip_of_pytorch_that_was_cut_short_is_refused_in_plain_words(tmp_path, share):
    whole = (FILES / "nv_wavenet_run.zip.pt").read_bytes()
    (tmp_path / "short.pt").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"Received: a zip archive that is cut short$"):
        interop.load(tmp_path / "short.pt")


@pytest.mark.parametrize("stacks", [-3, 0, "2", 1.5, True, [2], float("nan")])
def test_stacks_are_a_positive_integer(tmp_path, stacks):
    with pytest.raises(ValueError, match="Expected stacks to be an integer from 1"):
        convert(r9y9_state(), tmp_path, stacks=stacks)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file"):
        interop.load(tmp_path / "none.pth")


def test_a_tensorflow_checkpoint_that_was_cut_short(tmp_path):
    prefix = tmp_path / "mine"
    tf.train.Checkpoint(weight=tf.Variable(tf.ones([100]))).write(str(prefix))
    data = tmp_path / "mine.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:50])
    with pytest.raises(ValueError, match="mine' is not a whole checkpoint of TensorFlow"):
        interop.load(prefix)


def test_hyperparameters_beside_the_checkpoint(tmp_path):
    found = checkpoint.Source(tmp_path / "run" / "a.ckpt-1", {}, {})
    (tmp_path / "run").mkdir()
    assert "x" not in found.hyperparameters("hparams.json")
    for name, value in (("run.json", 1), ("run/hparams.json", 2), ("run/a.json", 3)):
        (tmp_path / name).write_text(json.dumps({"x": value}))
        assert found.hyperparameters("hparams.json").integer("x", 0) == value
