"""Ways of getting groups of cells done; each yields results as they come."""
