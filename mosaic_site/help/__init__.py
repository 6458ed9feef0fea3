"""The documentation as pages of the site: the same files that lie in `docs/`."""
