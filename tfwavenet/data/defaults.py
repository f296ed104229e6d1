"""Holds the defaults of `prepare`, which configs share; the import of this module costs nothing."""

MAX_SECONDS = 20.0
WITH_MEL = True
FEATURES_TRANSPOSED = False
VALIDATION = 0.05
TEST = 0.05
SEED = 0
