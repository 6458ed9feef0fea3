"""A whole community cycle on a folder of datasets, on a scratch site of its own."""
