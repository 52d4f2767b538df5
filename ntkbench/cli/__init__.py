"""Command-line interface: one module per command. It starts without importing TensorFlow and computes nothing."""
