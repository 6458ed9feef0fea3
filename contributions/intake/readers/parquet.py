"""Rows from Parquet files."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from contributions.intake.batch import Batch, clean_batch
from contributions.intake.findings import Findings
from contributions.intake.limits import Limits
from contributions.intake.readers.reader import HEAD_ROWS, Reader, in_batches
from contributions.intake.row import Place
from contributions.intake.shapes import Record
from contributions.intake.unpack import Plain

_FLAT = ("prompt_completion", "text_label", "plain_text")
_ROWS = 5_000
_BUFFER = 1024 * 1024


class Parquet(Reader):
    """Only the columns that are used are read, page by page."""

    format = "parquet"

    def __init__(self, plain: Plain, findings: Findings, limits: Limits) -> None:
        super().__init__(plain, findings, limits)
        try:
            with self._open() as file:
                names, size = list(file.schema_arrow.names), _unpacked_size(file)
                if size > limits.max_bytes:
                    findings.add(
                        "error",
                        f"The file unpacks to {size / 2**20:,.0f} MiB.",
                        expected=f"at most {limits.max_bytes / 2**20:,.0f} MiB",
                        remedy="Cut it into several files.",
                    )
                    return
                batches = file.iter_batches(
                    batch_size=HEAD_ROWS, columns=names[: limits.max_columns]
                )
                self.head = [row for batch in islice(batches, 1) for row in batch.to_pylist()]
                self.names = names
        except (pa.ArrowException, OSError, ValueError) as error:
            self._damaged(error)

    def batches(self) -> Iterator[Batch]:
        mapping = self.mapping
        if mapping is None:
            return
        try:
            with self._open() as file:
                columns = list(mapping.used)
                for part in file.iter_batches(batch_size=_ROWS, columns=columns):
                    self.bytes_done += part.nbytes
                    lines = np.arange(self.rows_read + 1, self.rows_read + len(part) + 1)
                    clean = None
                    if mapping.shape in _FLAT and all(_is_text(one.type) for one in part.columns):
                        part.validate(full=True)
                        clean = clean_batch(part, mapping, self._limits, self.rows_read + 1, lines)
                    if clean is not None and not _has_nul(part):
                        self.rows_read += len(part)
                        yield clean
                    else:
                        yield from in_batches(self._shaped(self._records(part)))
        except (pa.ArrowException, OSError, ValueError) as error:
            self._damaged(error)

    def _open(self) -> pyarrow.parquet.ParquetFile:
        return pyarrow.parquet.ParquetFile(self._path, buffer_size=_BUFFER, pre_buffer=False)

    def _records(self, part: pa.RecordBatch) -> Iterator[tuple[Record, Place]]:
        for record in part.to_pylist():
            self.rows_read += 1
            yield record, Place(self.rows_read, self.rows_read)

    def _damaged(self, error: Exception) -> None:
        self._findings.add(
            "error",
            f"The Parquet file is damaged: {str(error)[:100]}.",
            expected="a whole Parquet file",
            remedy="Export it again.",
        )


def _unpacked_size(file: pyarrow.parquet.ParquetFile) -> int:
    groups = range(file.metadata.num_row_groups)
    return sum(file.metadata.row_group(group).total_byte_size for group in groups)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _has_nul(part: pa.RecordBatch) -> bool:
    return any(0 in np.frombuffer(one.cast(pa.string()).buffers()[2] or b"", np.uint8)
               for one in part.columns)  # fmt: skip
