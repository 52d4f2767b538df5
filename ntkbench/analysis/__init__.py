"""What it means: scaling laws and their agreement with theory."""
