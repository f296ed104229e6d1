"""The engine with the interface of nv-wavenet's wrapper."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.numpy_networks import sigmoid
from tfwavenet import interop


def weights(*, layers=3, residual=4, skip=6, classes=8, use_embed_tanh=True, seed=0):
    rng = np.random.default_rng(seed)

    def random(*shape):
        return rng.normal(size=shape).astype(np.float32)

    return {
        "embedding_prev": random(classes, residual),
        "embedding_curr": random(classes, residual),
        "conv_out_weight": random(classes, skip, 1),
        "conv_end_weight": random(classes, classes, 1),
        "dilate_weights": [random(2 * residual, residual, 2) for _ in range(layers)],
        "dilate_biases": [random(2 * residual) for _ in range(layers)],
        "max_dilation": 2,
        "res_weights": [random(residual, residual, 1) for _ in range(layers - 1)],
        "res_biases": [random(residual) for _ in range(layers - 1)],
        "skip_weights": [random(skip, residual, 1) for _ in range(layers)],
        "skip_biases": [random(skip) for _ in range(layers)],
        "use_embed_tanh": use_embed_tanh,
    }


def conditioning(batch=2, samples=30, layers=3, residual=4):
    rng = np.random.default_rng(7)
    return rng.normal(size=[2 * residual, batch, layers, samples]).astype(np.float32)


def reference(w, cond, silence):
    """The original's C++ reference for one row, greedy: an explicit loop over the past."""
    layers, samples = cond.shape[1:]
    xs = [[] for _ in range(layers)]
    codes = [silence, silence]
    for t in range(samples):
        x = w["embedding_prev"][codes[-2]] + w["embedding_curr"][codes[-1]]
        x = np.tanh(x) if w["use_embed_tanh"] else x
        skip, dilation = 0, 1
        for i in range(layers):
            xs[i].append(x)
            past = xs[i][t - dilation] if t >= dilation else np.zeros_like(x)
            kernel = w["dilate_weights"][i]
            z = kernel[:, :, 0] @ past + kernel[:, :, 1] @ x
            z = z + w["dilate_biases"][i] + cond[:, i, t]
            half = len(z) // 2
            y = np.tanh(z[:half]) * sigmoid(z[half:])
            skip = skip + w["skip_weights"][i][:, :, 0] @ y + w["skip_biases"][i]
            if i < layers - 1:
                x = w["res_weights"][i][:, :, 0] @ y + w["res_biases"][i] + x
            dilation = 1 if 2 * dilation > w["max_dilation"] else 2 * dilation
        out = np.maximum(w["conv_out_weight"][:, :, 0] @ np.maximum(skip, 0), 0)
        codes.append(int(np.argmax(w["conv_end_weight"][:, :, 0] @ out)))
    return codes[2:]


@pytest.mark.parametrize("use_embed_tanh", [True, False])
# nv_wavenet_reference.cpp sets both codes to 128, which with 8 codes is none.
@pytest.mark.parametrize(
    ("classes", "silence"), [(8, 4), (128, 64), (129, 128), (256, 128), (512, 128)]
)
def test_greedy_codes_are_those_of_the_reference(use_embed_tanh, classes, silence):
    given = weights(classes=classes, use_embed_tanh=use_embed_tanh)
    cond = conditioning()
    codes = interop.NVWaveNet(**given).infer(cond, interop.Impl.PERSISTENT, temperature=0.0)
    assert codes.dtype == np.int32
    assert codes.tolist() == [reference(given, cond[:, row], silence) for row in range(2)]


def test_all_implementations_and_kinds_of_arrays_give_the_same_codes():
    given = weights()
    lists = {k: [tf.constant(v) for v in vs] for k, vs in given.items() if isinstance(vs, list)}
    flat = {"conv_out_weight": given["conv_out_weight"][:, :, 0]}
    engines = [interop.NVWaveNet(**given), interop.NVWaveNet(**{**given, **lists, **flat})]
    cond = conditioning()
    codes = [
        engine.infer(tf.constant(cond), implementation, seed=3)
        for engine, implementation in zip(engines * 2, interop.Impl)
    ]
    for other in codes[1:]:
        np.testing.assert_array_equal(other, codes[0])
    assert (engines[0].infer(cond, 0, seed=4) != codes[0]).any()
    assert codes[0].min() >= 0 and codes[0].max() < 8


class TorchLike:
    """What the engine uses of a PyTorch tensor on a GPU."""

    def __init__(self, array):
        self._array = array

    def detach(self):
        return self

    def cpu(self):
        return self._array


def test_tensors_of_pytorch_are_taken():
    given = weights()
    wrapped = {k: TorchLike(v) if isinstance(v, np.ndarray) else v for k, v in given.items()}
    one, other = interop.NVWaveNet(**given), interop.NVWaveNet(**wrapped)
    cond = conditioning()
    np.testing.assert_array_equal(other.infer(TorchLike(cond), 0), one.infer(cond, 0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_dilation": 3}, "`max_dilation` to be a power of two. Received: 3"),
        ({"skip_biases": []}, "a tensor 'skip_biases.0'"),
        ({"res_weights": weights(layers=5)["res_weights"]}, "Received: res_weights.2"),
        ({"embedding_prev": np.zeros([8, 3])}, "'embedding_prev' of shape"),
        ({"conv_end_weight": np.zeros([8, 7, 1])}, "'conv_end_weight' of shape"),
    ],
)
def test_arrays_that_do_not_fit_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        interop.NVWaveNet(**{**weights(), **change})


@pytest.mark.parametrize("shape", [(8, 2, 3), (6, 2, 3, 30), (8, 2, 4, 30)])
def test_conditioning_that_does_not_fit_is_refused(shape):
    engine = interop.NVWaveNet(**weights())
    with pytest.raises(ValueError, match=r"cond_input of shape \[8, batch, 3, samples\]"):
        engine.infer(np.zeros(shape), 0)


def test_an_unknown_implementation_is_refused():
    with pytest.raises(ValueError, match="4 is not a valid Impl"):
        interop.NVWaveNet(**weights()).infer(conditioning(), 4)
