"""The append-only, hash-chained record of everything that changed state."""
