"""What was found: atomic cell files, schema, provenance, tidy frames."""
