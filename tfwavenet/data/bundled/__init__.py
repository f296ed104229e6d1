"""About a minute of synthetic speech, so that everything can be tried without a download."""
