"""Analysis of results: scaling laws, verdicts, and their agreement with theory."""
