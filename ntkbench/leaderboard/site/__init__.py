"""The board as a static site: it works from a folder, without a network, and without scripts."""
