"""The source of a cell as Python, without what Jupyter, Colab and nbval put between its lines.

`plain` puts a `pass` in place of each magic, shell line and question, so that lines keep their
numbers; a cell in another language becomes empty. Markers would tell nbval to skip a cell or to
expect an error of it.
"""

from __future__ import annotations

import re

from cvlab.classroom.grading.intake.ipynb import Cell

#: Magics whose cell is still Python, with its names in the notebook's name space.
_PYTHON_MAGICS = ("capture", "time", "prun", "memit", "snakeviz")
_MARKED_TAGS = re.compile(r"^(nbval-.*|raises-exception|skip-execution)$", re.I)
_MARKER = re.compile(r"^[ \t]*#+[ \t]*(NBVAL_[A-Z_]+|PYTEST_VALIDATE_IGNORE_OUTPUT)\b.*$", re.M)
_CELL_MAGIC = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*%%(\w*)[^\n]*")
_REST = r"(?:[^\n\\]|\\.)*+"  # to the end of the line, and on after a backslash
_MAGIC = re.compile(
    r"(?P<indent>[ \t]*)(?:"
    r"%time[ \t]+(?P<timed>[^\n]+)"
    rf"|[%!]{_REST}"
    rf"|[A-Za-z_][\w.,\[\]' \t]*=[ \t]*(?:%[A-Za-z]|!){_REST}"
    r"|\?{1,2}[\w.%*]+[ \t]*|%{0,2}[A-Za-z_][\w.]*\?{1,2}[ \t]*"
    r")(?=\n|\Z)",
    re.S,
)
# Each alternative that has begun also ends, at the latest with the text, so that this is linear.
_TOKEN = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:""")?'
    r"|'''(?:[^'\\]|\\.|'(?!''))*+(?:''')?"
    r'|"(?:[^"\\\n]|\\.)*+"?'
    r"|'(?:[^'\\\n]|\\.)*+'?"
    r"|\#[^\n]*|\\\n|[()\[\]{}\n]",
    re.S,
)


def plain(source: str) -> str:
    """Return a cell's source as Python, without magics and shell lines, line for line."""
    return cleaned(source)[0]


def cleaned(source: str) -> tuple[str, list[str]]:
    r"""Return a cell's source as Python, line for line, and what was taken out of it.

    Examples:
        >>> cleaned("%matplotlib inline\n!pip install x\na = '''\n!b'''")
        ("pass\npass\na = '''\n!b'''", ['%matplotlib inline', '!pip install x'])
    """
    removed: list[str] = []
    text = source.replace("\f", " ")
    if match := _CELL_MAGIC.match(text):
        removed.append(match[0].strip().splitlines()[-1])
        if match[1] not in _PYTHON_MAGICS:
            return "", removed
        text = "\n" * match[0].count("\n") + text[match.end() :]
    # An indented cell runs in Jupyter, which takes the indentation of its first line away.
    first = re.match(r"(?:[ \t]*\n)*([ \t]+)(?=[^\s])", text)
    if first:
        text = re.sub(rf"^{re.escape(first[1])}", "", text, flags=re.M)
    pieces = []
    position = 0
    while position < len(text):
        if match := _MAGIC.match(text, position):
            removed.append(match[0].strip())
            statement = match["timed"] or "pass"
            pieces.append(f"{match['indent']}{statement}" + "\n" * match[0].count("\n"))
            position = match.end()
        end = _end_of_statement(text, position)
        pieces.append(text[position:end])
        position = end
    return "".join(pieces), removed


def _end_of_statement(text: str, position: int) -> int:
    """Return where the logical line ends: at a line's end outside of brackets and strings."""
    depth = 0
    for match in _TOKEN.finditer(text, position):
        token = match[0]
        if token in "([{":
            depth += 1
        elif token in ")]}":
            depth = max(depth - 1, 0)
        elif token == "\n" and depth == 0:
            return match.end()
    return len(text)


def markers_of(cell: Cell) -> frozenset[str]:
    """Return the tags and comments of a cell by which nbval would treat it differently."""
    tags = {tag for tag in cell.tags if _MARKED_TAGS.match(tag)}
    return frozenset(tags | set(_MARKER.findall(cell.source)))


def without_markers(source: str) -> str:
    """Return a source whose markers are empty comments."""
    return _MARKER.sub("#", source)
