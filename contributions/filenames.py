"""How files are called when they are downloaded: never as the uploader liked."""

from pathlib import PurePath

from django.utils.text import slugify

from contributions.models import DatasetVersion

# The endings that may stay. Whatever else a file was called, nothing opens it by its name.
ENDINGS = {"csv", "tsv", "tab", "txt", "json", "jsonl", "ndjson", "parquet"}
PACKED = {"gz", "zst", "zip"}


def rows_name(version: DatasetVersion) -> str:
    """The normalised rows of a version."""
    return f"{_stem(version)}.rows.jsonl"


def upload_name(version: DatasetVersion) -> str:
    """The file as it was brought."""
    return f"{_stem(version)}{_ending(version.filename)}"


def _stem(version: DatasetVersion) -> str:
    return f"{slugify(version.dataset.name) or 'dataset'}-v{version.number}"


def _ending(filename: str) -> str:
    """The known endings at its end, as in .csv.gz; .data where there is none."""
    endings = [ending.lstrip(".").lower() for ending in PurePath(filename).suffixes[-2:]]
    if endings and endings[-1] in PACKED:
        inner = [ending for ending in endings[:-1] if ending in ENDINGS]
        return "." + ".".join([*inner, endings[-1]])
    return f".{endings[-1]}" if endings and endings[-1] in ENDINGS else ".data"
