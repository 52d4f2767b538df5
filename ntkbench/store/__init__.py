"""Store results on disk: atomic cell files, the manifest, provenance and tidy frames."""
