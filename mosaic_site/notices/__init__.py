"""Telling members what concerns them: on the site, at once by mail, or once a day by mail."""
