"""What will be run: options and presets become a Plan of Cells. Nothing here imports TensorFlow to plan a run."""
