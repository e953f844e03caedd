"""Read the file of a notebook, whatever has become of it, into cells whose fields have their types.

`read` takes bytes that may be anything: a notebook of an old format, a file cut off, a web page, an
attack. What it cannot read it refuses with a sentence; what is only odd becomes a remark.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MB = 1_000_000
MOST_FILE = 100 * MB
MOST_BYTES = 20 * MB  # without what cells have shown
MOST_CELLS = 5_000
MOST_DEPTH = 100  # of JSON
#: Counted before parsing, wherever they stand, so that no file of 20 MB becomes one of 500 MB.
MOST_OF = {b"[": 500_000, b"{": 500_000, b'"': 2_000_000, b",": 3_000_000}
MOST_REMARKS = 50
MOST_SOURCE = 100_000  # characters of one code cell; parsed, they may take 50 MB

# What cells have shown and pictures in the text: megabytes that nobody reads here. In a string of
# JSON the quotes would be escaped, so this is a key.
_LEFT_OUT = re.compile(rb'"(?:outputs|attachments|widgets)"\s*+:\s*+(?=[\[{])')
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.S)
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.+)$", re.M)


class NotebookProblem(ValueError):
    """A file that is no readable notebook; the message is a sentence for the instructor."""


@dataclass(frozen=True)
class Cell:
    """A cell as the file has it; every field has exactly its type, whatever the file said."""

    index: int
    kind: str  #: code, markdown or raw
    source: str
    id: str | None = None
    grade_id: str | None = None
    solution: bool = False
    grade: bool = False
    tags: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()  #: other words in the metadata that may name a task


@dataclass(frozen=True)
class Notebook:
    """The cells of a notebook, and sentences on what was odd about the file."""

    cells: tuple[Cell, ...]
    remarks: tuple[str, ...] = ()


def read(data: bytes) -> Notebook:
    """Read a notebook of format 2, 3 or 4 from bytes that may be anything.

    Raises:
        NotebookProblem: if there is no notebook in them, or a larger one than anyone would write.

    Examples:
        >>> read(b'{"cells": [{"cell_type": "code", "source": ["a = 1"]}]}').cells[0].source
        'a = 1'
    """
    tree = _json(data)
    if not isinstance(tree, dict):
        raise NotebookProblem("The file is JSON, but no notebook.")
    remarks: list[str] = []
    form = tree.get("nbformat")
    if type(form) is not int:
        remarks.append("The file does not say its notebook format.")
        form = 3 if "worksheets" in tree else 4
    if form < 2:
        raise NotebookProblem(f"The notebook's format is {form}, which is too old; save it anew.")
    if form > 4:
        remarks.append(f"The notebook's format is {str(form)[:9]}; it was read as format 4.")
    cells = tree.get("cells")
    if form < 4 and "worksheets" in tree:
        sheets = tree["worksheets"] if isinstance(tree["worksheets"], list) else []
        listed = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
        cells = [cell for part in listed if isinstance(part, list) for cell in part]
        remarks.append(f"The notebook has the old format {form}; it was converted.")
    if not isinstance(cells, list):
        raise NotebookProblem("The file is JSON, but has no list of cells; it is no notebook.")
    if len(cells) > MOST_CELLS:
        raise NotebookProblem(
            f"The notebook has {len(cells)} cells; at most {MOST_CELLS} are read."
        )
    found = [_cell(index, cell, remarks) for index, cell in enumerate(cells)]
    return Notebook(tuple(cell for cell in found if cell), abridged(remarks))


def abridged(remarks: list[str]) -> tuple[str, ...]:
    """Return the first remarks and, where there are more, a sentence that counts the others."""
    more = len(remarks) - MOST_REMARKS
    cut = [*remarks[:MOST_REMARKS], f"There are {more} more remarks of this kind."]
    return tuple(cut if more > 0 else remarks)


def _without_outputs(data: bytes) -> bytes:
    """Empty the outputs and attachments of a notebook before it is parsed, in linear time."""
    pieces, kept = [], 0
    for key in _LEFT_OUT.finditer(data):
        if key.start() < kept:
            continue  # within what has been left out
        depth = 0
        for token in _TOKEN.finditer(data, key.end()):
            sign = token[0][:1]
            depth += (sign in b"[{") - (sign in b"]}")
            if not depth:
                pieces += [data[kept : key.end()], data[key.end() : key.end() + 1] + sign]
                kept = token.end()
                break
        else:
            break  # the file is cut off
    return b"".join([*pieces, data[kept:]])


def _json(data: bytes) -> Any:
    if len(data) > MOST_FILE:
        raise NotebookProblem(f"The file is larger than {MOST_FILE // MB} MB; clear its outputs.")
    if len(data) > MB:
        data = _without_outputs(data)
    if len(data) > MOST_BYTES:
        raise NotebookProblem(f"The file is larger than {MOST_BYTES // MB} MB without its outputs.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NotebookProblem("The file is saved as UTF-16; save it as UTF-8.")
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:100]
    if not start:
        raise NotebookProblem("The file is empty.")
    if start.startswith(b"<"):
        raise NotebookProblem("The file is a web page; download the notebook itself.")
    for magic, what in ((b"PK\x03\x04", "a zip archive"), (b"%PDF", "a PDF document")):
        if start.startswith(magic):
            raise NotebookProblem(f"The file is {what}; hand in the notebook itself.")
    if not start.startswith(b"{"):
        raise NotebookProblem("The file is no notebook: it does not begin like JSON.")
    if any(data.count(sign) > most for sign, most in MOST_OF.items()):
        raise NotebookProblem("The file has millions of values; clear the notebook's outputs.")
    try:
        tree = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise NotebookProblem(f"The file is not UTF-8 (at byte {error.start}).") from None
    except json.JSONDecodeError as error:
        rest = error.doc[error.pos :].strip()
        what = "damaged" if rest and not error.msg.startswith("Unterminated") else "cut off"
        raise NotebookProblem(
            f"The notebook is {what} (line {error.lineno} of the file)."
        ) from None
    except (RecursionError, MemoryError):
        raise NotebookProblem(f"The file is nested deeper than {MOST_DEPTH} levels.") from None
    except ValueError:  # a number with thousands of digits
        raise NotebookProblem("The notebook is damaged: it has a number beyond measure.") from None
    _measure(tree)
    return tree


def _measure(tree: Any) -> None:
    level = [tree]
    for _ in range(MOST_DEPTH):
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for part in inner for each in part if isinstance(each, dict | list)]
        if not level:
            return
    raise NotebookProblem(f"The file is nested deeper than {MOST_DEPTH} levels.")


def _cell(index: int, raw: Any, remarks: list[str]) -> Cell | None:
    here = f"Cell {index + 1}"
    if not isinstance(raw, dict):
        remarks.append(f"{here} is no cell and was left out.")
        return None
    kind = raw.get("cell_type")
    if kind == "heading":  # of format 3
        kind = "markdown"
    if not isinstance(kind, str) or kind not in ("code", "markdown", "raw"):
        remarks.append(f"{here} has an unknown type and was read as raw text.")
        kind = "raw"
    lines = raw.get("source", raw.get("input"))
    lines = lines if isinstance(lines, list) else [lines]
    source = "".join(line for line in lines if isinstance(line, str))
    if not all(isinstance(line, str) for line in lines):
        remarks.append(f"{here} has a source that is no text.")
    source = re.sub(r"\r\n?", "\n", source)
    if re.search("[\ud800-\udfff]", source):
        source = re.sub("[\ud800-\udfff]", "\ufffd", source)
        remarks.append(f"{here} held halves of characters, which were replaced.")
    if raw.get("cell_type") == "heading":
        source = f"# {source}"
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    grading = metadata.get("nbgrader")
    grading = grading if isinstance(grading, dict) else {}
    tags = metadata.get("tags")
    return Cell(
        index=index,
        kind=kind,
        source=source,
        id=_word(raw.get("id")) or _word(metadata.get("id")),  # Colab moves it there
        grade_id=_word(grading.get("grade_id")),
        solution=grading.get("solution") is True,
        grade=grading.get("grade") is True,
        tags=tuple(filter(None, map(_word, tags[:100]))) if isinstance(tags, list) else (),
        labels=_labels(metadata),
    )


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 200 else None


def _labels(metadata: dict[str, Any]) -> tuple[str, ...]:
    """Return the words of a cell's metadata, two levels deep, without what precedes a colon."""
    words: list[str] = []
    level: list[Any] = [value for key, value in metadata.items() if key != "nbgrader"]
    for _ in range(3):
        inner: list[Any] = []
        for value in level[:200]:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
            elif word := _word(value):
                words.append(word.rpartition(":")[2].strip())
        level = inner
    return tuple(words)


def headed(notebook: Notebook) -> Iterator[tuple[Cell, str | None]]:
    """Iterate over the cells, each with the heading that it stands under."""
    heading = None
    for cell in notebook.cells:
        if cell.kind == "markdown" and (found := _HEADING.findall(cell.source[:MOST_SOURCE])):
            heading = re.sub(r"\W+", " ", found[-1][:300].casefold()).strip()
        yield cell, heading
