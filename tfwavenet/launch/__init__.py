"""Command-line launchers: flags -> config -> one call. Nothing imports this package.

Importing it, before TensorFlow, keeps TensorFlow's C++ log off the terminal: on every start it
reports GPU libraries that are not there as errors. `TF_CPP_MIN_LOG_LEVEL=0` brings it back.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
