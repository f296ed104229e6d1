"""Pure functions on audio: files, mu-law, emphasis, mel features, Griffin-Lim, metrics.

Import the module that is needed (`from tfwavenet.audio import mulaw`); this file
loads none of them.
"""

from tfwavenet.audio import compiled_cache

compiled_cache.ensure()  # before librosa is imported
