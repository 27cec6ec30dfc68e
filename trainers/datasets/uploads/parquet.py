"""Decode Parquet in small batches."""

from collections.abc import Iterator
from typing import Any, BinaryIO

from trainers.datasets.uploads.archive import Member
from trainers.datasets.uploads.limits import MAX_TEXT_CHARS, BadUpload, sanitize_line
from trainers.datasets.uploads.rows import (
    Row,
    Table,
    check_column_count,
    check_zip_bomb,
    damaged_error,
    format_cell,
)

BATCH_ROWS = 256


def read_parquet(member: Member, file: BinaryIO) -> Table:
    """Return the table in `file` without its nested columns. Raises `BadUpload`."""
    from pyarrow import ArrowException, parquet, types

    try:
        metadata = parquet.read_metadata(file)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        check_zip_bomb(member, sum(group.total_byte_size for group in groups))
        columns = map(metadata.schema.column, range(metadata.num_columns))
        texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
        file.seek(0)
        parquet_file = parquet.ParquetFile(file, read_dictionary=texts)
        schema = parquet_file.schema_arrow
    except BadUpload:
        raise
    except (ArrowException, OSError, ValueError) as error:
        raise damaged_error(member, error) from None
    check_column_count(member, schema.names)
    names = [field.name for field in schema if not types.is_nested(field.type)]
    nested = ", ".join(sanitize_line(name) for name in schema.names if name not in names)
    if not names:
        raise BadUpload(
            f"{member.display_name} has nested columns only: {nested}. Bring columns of "
            "plain texts and labels."
        )
    notice = f"{member.display_name}: nested columns were passed over: {nested}."
    return Table(True, _iter_rows(member, parquet_file, names), [notice] if nested else [])


def _iter_rows(member: Member, parquet_file: Any, names: list[str]) -> Iterator[Row]:
    from pyarrow import ArrowException

    yield Row(names, 0.0)
    done = 0
    try:
        for batch in parquet_file.iter_batches(batch_size=BATCH_ROWS, columns=names):
            done += len(batch)
            progress = done / parquet_file.metadata.num_rows
            columns = [_truncate_texts(column).to_pylist() for column in batch.columns]
            for values in zip(*columns, strict=True):
                yield Row([format_cell(value) for value in values], progress)
    except (ArrowException, OSError, ValueError) as error:
        raise damaged_error(member, error) from None


def _truncate_texts(column: Any) -> Any:
    """Return the column with long cells cut: a cell may be vast, and repeated in many rows."""
    from pyarrow import compute, types

    if not types.is_dictionary(column.type):
        return column
    texts = column.dictionary
    cut = compute.utf8_slice_codeunits if types.is_string(texts.type) else compute.binary_slice
    return type(column).from_arrays(column.indices, cut(texts, 0, 2 * MAX_TEXT_CHARS))
