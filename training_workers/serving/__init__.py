"""Answering with the live release: one process holds the model, the web asks it over Redis."""
