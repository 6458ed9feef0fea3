"""Template tags of the workers' floor."""
