"""How it is shown: one Table value, many writers, one place that escapes."""
