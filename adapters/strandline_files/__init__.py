"""
Logs in files: one event a line, plain, gzip or zstd.

The names below are the whole of it; `lines` cuts bytes into lines, `archive` turns a file into bytes.
"""

from strandline_files.lines import read_lines, write_lines

__all__ = ["read_lines", "write_lines"]
