"""Defines the command-line launchers: flags -> one call. Nothing imports this package.

The import of this package, before TensorFlow, hides TensorFlow's C++ log, which reports missing GPU
libraries as errors on every start. `TF_CPP_MIN_LOG_LEVEL=0` shows the log.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
