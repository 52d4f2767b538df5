"""Turn options and presets into a Plan: the cells of a run. Planning a run does not import TensorFlow."""
