"""Whole runs of the command line, timed from outside: cells that cost nothing, other executors, faults."""
