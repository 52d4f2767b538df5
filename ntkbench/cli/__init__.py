"""Words in, exit code out: one verb, one file. Nothing here does maths or imports TensorFlow to start."""
