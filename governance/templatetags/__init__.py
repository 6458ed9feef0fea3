"""Template tags of the governing floor."""
