"""Whole runs of the command line, timed from outside: trivial cells, different executors, and injected faults."""
