"""Where the files lie, from one address. Standard library only."""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

# Above it what is read is put aside on the disk.
MEMORY_BYTES = 8 * 2**20


def storage(address: str) -> dict[str, Any]:
    """The default of STORAGES for `address`.

    Empty: the folder MEDIA_ROOT. `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`: an object storage,
    of which prefix, endpoint and region may be missing; the key comes from AWS_ACCESS_KEY_ID and
    AWS_SECRET_ACCESS_KEY, or from wherever else boto3 finds one. Raises ValueError.
    """
    if not address:
        return {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    parts = urlsplit(address)
    if parts.scheme != "s3" or not parts.hostname:
        raise ValueError(f"MOSAIC_STORAGE must be like s3://bucket/prefix, and is {address!r}.")
    told = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    unknown = told.keys() - {"endpoint", "region"}
    if unknown:
        raise ValueError(f"MOSAIC_STORAGE knows endpoint and region, not {', '.join(unknown)}.")
    options: dict[str, Any] = {
        "bucket_name": parts.netloc,
        "location": unquote(parts.path).strip("/"),
        # Nobody reads it without a key; what we hand out ourselves is signed.
        "querystring_auth": True,
        "default_acl": None,
        "signature_version": "s3v4",
        # Names are new every time, so nothing is overwritten but by the same content.
        "file_overwrite": True,
        "max_memory_size": MEMORY_BYTES,
    }
    if "region" in told:
        options["region_name"] = told["region"]
    if "endpoint" in told:
        options |= {"endpoint_url": told["endpoint"], "addressing_style": "path"}
    return {"BACKEND": "mosaic_site.object_storage.ObjectStorage", "OPTIONS": options}
