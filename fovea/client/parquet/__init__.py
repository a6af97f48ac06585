"""Memories as Parquet files. Its modules need pyarrow, so they are loaded when a file is written or read."""
