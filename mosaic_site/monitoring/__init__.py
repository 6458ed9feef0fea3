"""Seeing the site work: structured logs, measures of what it does, and the pages that tell them."""
