import numpy as np
import pytest
import tensorflow as tf

from tfwavenet.layers import SpeakerEmbedding


def test_numbers_look_up_rows():
    layer = SpeakerEmbedding(3, 4)
    vectors = layer(tf.constant([2, 0]))
    np.testing.assert_array_equal(vectors, layer.embeddings.numpy()[[2, 0]])


def test_vectors_pass_through():
    vectors = tf.random.stateless_normal([2, 4], [0, 1])
    np.testing.assert_array_equal(SpeakerEmbedding(3, 4)(vectors), vectors)


@pytest.mark.parametrize("number", [-1, 3])
def test_numbers_out_of_range(number):
    with pytest.raises(ValueError, match=rf"in 0 .. 2. Received: speaker=\[{number}\]"):
        SpeakerEmbedding(3, 4)(tf.constant([number]))


@pytest.mark.parametrize("name", ["num_speakers", "channels"])
def test_sizes_must_be_positive(name):
    with pytest.raises(
        ValueError, match=f"`{name}` must be a positive integer. Received: {name}=0"
    ):
        SpeakerEmbedding(**{"num_speakers": 3, "channels": 4, name: 0})
