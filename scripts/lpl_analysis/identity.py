"""What the result of a run depends on besides the program: its description, settings, and every file that it reads."""

import functools
import hashlib
import json
import os
import pathlib
import tomllib

MODELS = pathlib.Path(__file__).resolve().parents[2] / "models"
MODEL_ENDINGS = (".cell", ".rule", ".net")
IMAGES = "*.bin"  # what is read of a folder that is named


def texts_in(value):
    """All texts in a parsed document."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for entry in value for text in texts_in(entry)]
    return [value] if isinstance(value, str) else []


def texts_of_file(path):
    """All texts of a description or model."""
    try:
        return texts_in(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return []  # the program will say what is wrong with it


def texts_of(description, settings):
    """All texts of a description and of "KEY=VALUE" settings."""
    found = texts_of_file(description)
    for setting in settings:
        value = setting.partition("=")[2].strip()
        try:
            found += texts_in(tomllib.loads(f"value = {value}"))
        except tomllib.TOMLDecodeError:
            found.append(value.strip("\"'"))
    return found


def files_named(text, folder):
    """The files that a text of a description in `folder` may stand for: data, a folder of images, or a model."""
    path = folder / text
    if len(text) > 4096 or "\0" in text or "\n" in text:
        return []
    if path.is_file():
        return [path]
    if path.is_dir():
        return [entry for entry in path.glob(IMAGES) if entry.is_file()]
    models = pathlib.Path(os.environ.get("LPL_MODELS", MODELS))
    return [place / (text + ending) for place in (folder, models) for ending in MODEL_ENDINGS
            if (place / (text + ending)).is_file()]


@functools.lru_cache(maxsize=None)
def digest_of_content(path, _size, _changed):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_file(path):
    state = path.stat()
    return digest_of_content(path, state.st_size, state.st_mtime_ns)


def inputs(description, settings):
    """The files that a run reads, as {path: digest}: those that the description and its models name. A file that a text
    names by chance is among them."""
    folder = description.resolve().parent
    found, texts = {description.resolve()}, set(texts_of(description, settings))
    while texts:
        named = {file.resolve() for text in texts for file in files_named(text, folder)} - found
        found |= named
        texts = {text for file in named if file.suffix in MODEL_ENDINGS for text in texts_of_file(file)}
    return {str(path): digest_of_file(path) for path in sorted(found)}


def digest(description, settings):
    """Of the contents of all that a run reads, and its settings; not of where things lie."""
    contents = sorted(inputs(description, settings).values())
    return hashlib.sha256(json.dumps([contents, sorted(settings)]).encode()).hexdigest()[:12]


def changed(before, after):
    """The files in which two results of inputs() differ."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
