"""Corpora, their preparation into TFRecord shards, and the `tf.data` pipeline over them."""
