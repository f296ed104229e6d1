"""Command-line launchers: flags -> config -> one call. Nothing imports this package."""
