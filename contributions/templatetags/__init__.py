"""Template tags of what people bring."""
