"""From one plain document to a PDF, by pandoc and Typst, and an EPUB, by pandoc alone.

Whatever one of them would leave out is an error that says on which page it stands.
"""

from __future__ import annotations

import datetime
import importlib.util
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cvlab
from cvlab.classroom.book.paper.offer import FILES
from cvlab.classroom.book.paper.plain import PaperError, Plain, document

HERE = Path(__file__).parent
TITLE = "Machine learning for computer vision"
SUBTITLE = "An interactive course, with the code of every method"
AUTHORS = "The cvlab authors"
LICENCE = "Text and figures are under the CC BY 4.0 licence, code under the BSD 3-Clause licence."

_PAGE = re.compile(r"^== .*\n<([\w-]+)>", re.M)  # a chapter's title in Typst
_LIMITS = re.compile(r'("arg ?m(?:ax|in)")_')  # below such words as below a sum; pandoc forgets it
_MATH = re.compile(r'"t":"Math"')


def make(
    folder: Path, toc: Path, report: Callable[[str], None] = print, place: Path | None = None
) -> list[Path]:
    """Make the PDF and the EPUB of a built book.

    Args:
        folder: of the book's pages.
        toc: its `_toc.yml`, which says what stands where.
        report: receives lines of progress.
        place: where the files go; the folder of the pages if it is None.

    Raises:
        PaperError: if something of a page cannot be put on paper, or a program is missing.
    """
    for module in ("pypandoc", "typst"):
        if importlib.util.find_spec(module) is None:
            raise PaperError(f"{module} is not installed; `make setup` installs it.")
    place = place or folder
    with tempfile.TemporaryDirectory(prefix="cvlab-paper-") as scratch:
        work = Path(scratch)
        report("Paper: reading the pages ...")
        plain = document(folder, toc, work)
        if plain.not_run:
            report(f"Paper: {len(plain.not_run)} pages have not run and lack their figures.")
        tree = read(plain, work)
        report("Paper: making the EPUB ...")
        epub(plain, tree, work / "cvlab.epub")
        report("Paper: making the PDF ...")
        pdf(plain, tree, work / "cvlab.pdf")
        for name in FILES:  # both or none
            shutil.copy(work / name, place / name)
    return [place / name for name in FILES]


def read(plain: Plain, work: Path) -> Path:
    """Let pandoc read a document; return its tree, in which every formula is found again.

    Raises:
        PaperError: if pandoc overlooks some.
    """
    (work / "book.html").write_text(plain.markup, encoding="utf-8")
    tree = work / "book.json"
    # Titles have their anchors already.
    pandoc(plain, ["-f", "html-auto_identifiers", "-t", "json", "book.html", "-o", tree.name], work)
    found = len(_MATH.findall(tree.read_text(encoding="utf-8")))
    if found != plain.count:
        raise PaperError(f"of {plain.count} formulas pandoc found {found}.")
    return tree


def epub(plain: Plain, tree: Path, place: Path) -> None:
    """Write a tree as EPUB 3, with formulas as MathML and a file for each chapter.

    Raises:
        PaperError: if a formula has no MathML, or a picture is missing.
    """
    about = {
        "title": TITLE,
        "subtitle": SUBTITLE,
        "creator": [{"role": "author", "text": AUTHORS}],
        "lang": "en-GB",
        "date": datetime.date.today().isoformat(),
        "rights": f"{LICENCE} {_live(plain)}".strip(),
        "identifier": plain.address or "cvlab",
    }
    (tree.parent / "about.json").write_text(json.dumps(about), encoding="utf-8")
    words = ["-f", "json", "-t", "epub3", "--mathml", "--split-level=2", "--toc-depth=3"]
    words += ["--metadata-file", "about.json", "--css", str(HERE / "epub.css")]
    pandoc(plain, [*words, tree.name, "-o", str(place)], tree.parent)


def pdf(plain: Plain, tree: Path, place: Path) -> None:
    """Set a tree in type.

    Raises:
        PaperError: if Typst does not understand what pandoc made of a formula.
    """
    import typst

    work = tree.parent
    words = ["-f", "json", "-t", "typst", "--syntax-highlighting=idiomatic", tree.name]
    body = pandoc(plain, [*words, "-L", str(HERE / "paper.lua")], work)
    shutil.copy(HERE / "book.typ", work)
    given = {
        "title": TITLE,
        "subtitle": SUBTITLE,
        "authors": AUTHORS,
        "edition": f"Version {cvlab.__version__}, {datetime.date.today():%-d %B %Y}",
        "address": plain.address,
        "licence": LICENCE,
    }
    # JSON's strings are Typst's.
    listed = ", ".join(f"{name}: {json.dumps(text)}" for name, text in given.items())
    body = _LIMITS.sub(r"op(\1, limits: #true)_", body)
    main = f'#import "book.typ": *\n#show: book.with({listed})\n\n{body}'
    (work / "main.typ").write_text(main, encoding="utf-8")
    try:
        # The machine's own fonts would make a different book of each machine.
        # PDF/UA: no letter without a form in the font, no picture or formula without words.
        typst.compile(
            work / "main.typ", output=place, ignore_system_fonts=True, pdf_standards="ua-1"
        )
    except typst.TypstError as error:
        raise PaperError(_explained(error, main)) from None


def _live(plain: Plain) -> str:
    return f"The live book: {plain.address}" if plain.address else ""


def pandoc(plain: Plain, words: list[str], work: Path) -> str:
    """Run pandoc and return what it prints; what it warns of would be lost, and is an error."""
    import pypandoc

    command = [pypandoc.get_pandoc_path(), *words]
    done = subprocess.run(command, cwd=work, capture_output=True, encoding="utf-8", check=False)
    if not done.returncode and "[WARNING]" not in done.stderr:
        return done.stdout
    said = done.stderr.strip()
    lost = [
        f"{', '.join(pages)}: {tex}"
        for tex, pages in plain.formulas.items()
        if f"TeX math {tex}" in said
    ]
    raise PaperError("pandoc cannot convert\n  " + "\n  ".join(lost or [said[:2000]]))


def _explained(error: Any, source: str) -> str:
    """Say on which page Typst stumbled, and over what."""
    said = str(getattr(error, "diagnostic", error))
    said = said[said.find("error:") :]
    line = re.search(r"main\.typ:(\d+)", said)
    before = source.split("\n")[: int(line[1])] if line else []
    pages = _PAGE.findall("\n".join(before))
    return f"{pages[-1] if pages else 'the book'}: Typst stumbles: {said[:600]}"
