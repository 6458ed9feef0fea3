"""What goes wrong with zips."""

import zipfile
import zlib

BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # a way of packing, or a version of the format, that Python cannot read
    RuntimeError,  # encrypted
    ValueError,  # places outside the file
)
"""What Python raises for a zip that is damaged, encrypted or made to deceive."""
