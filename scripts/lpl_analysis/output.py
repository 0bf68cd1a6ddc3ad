"""Files that a command writes: never over what it reads, nor over what it did not make, and never half."""

import argparse
import contextlib
import json
import os
import pathlib
import tempfile

from lpl_analysis.results import ResultError

MAKER = "lpl.py"  # stands near the beginning of pages and pictures, which their next version may replace
MARK_WITHIN = 4096  # bytes


def is_ours(path):
    with open(path, "rb") as file:
        return MAKER.encode() in file.read(MARK_WITHIN)


def check(path, inputs=(), overwrite=False):
    """Raises ResultError where `path` must not or cannot be written. `inputs`: files that are read. To be called before
    anything is computed."""
    path = pathlib.Path(path)
    folder = pathlib.Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise ResultError(f"{path}: there is no folder {folder}; make it first")
    if path.exists():
        if not path.is_file():
            raise ResultError(f"{path}: is no regular file; name another output")
        for source in inputs:
            if os.path.exists(source) and os.path.samefile(path, source):
                raise ResultError(f"{path}: is also read, as {source}; name another output")
        if not overwrite and not is_ours(path):
            raise ResultError(f"{path}: is there already; name another output, or replace it with --overwrite")
    if not os.access(folder, os.W_OK):
        raise ResultError(f"{path}: the folder {folder} cannot be written to")


def replaceable(text):
    """The type of a program's argument: a file that may be replaced."""
    try:
        check(text, overwrite=True)
    except ResultError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return pathlib.Path(text)


@contextlib.contextmanager
def replacing(path):
    """The path of a new file beside `path`, with the same ending, that takes its place when all went well."""
    target = pathlib.Path(os.path.realpath(path))
    handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    new = pathlib.Path(name)
    try:
        yield new
        mask = os.umask(0)
        os.umask(mask)
        new.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~mask)
        os.replace(new, target)
    finally:
        new.unlink(missing_ok=True)


def write_json(path, value):
    with replacing(path) as new:
        new.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
