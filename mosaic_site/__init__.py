"""Mosaic's ground floor (members, ledger, live events) and roof (settings, urls, the home page)."""
