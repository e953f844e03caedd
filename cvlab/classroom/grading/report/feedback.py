"""Static pages about a grading: one for each student, and one of the class for the instructor.

A student's page is made from that student's `Record` alone, which holds no hidden input, expected
value or test, so none can appear on it; flags for the instructor are left out. Pages hold no
script and load nothing: their policy allows their own style sheet, by its digest, and no more.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from cvlab.classroom.grading.report import similar
from cvlab.classroom.grading.report.exports import Grade, rounded, task_names
from cvlab.classroom.grading.report.harmless import file_name
from cvlab.classroom.grading.report.journal import private_folder, replace, replace_all
from cvlab.classroom.grading.report.records import Record, TaskResult

LINE_LENGTH = 400  #: characters of a line of code on a page
SLOWEST = 5  #: submissions in the list of the slowest
LINES = 2_000  #: lines of code of a task on a page

#: What a reader sees for each verdict: a sign, words and a colour, never a colour alone.
WORDS = {
    "right": ("✓", "Right", "good"),
    "partial": ("◐", "Partly right", "half"),
    "wrong": ("✗", "Not right yet", "bad"),
    "error": ("!", "Stopped with an error", "bad"),
    "missing": ("○", "Not answered", "none"),
    "timeout": ("◷", "Took too long", "bad"),
    "crash": ("!", "Crashed", "bad"),
    "refused": ("!", "Not run", "none"),
}

#: Colours of the two themes: the book's blue, green and orange, dark or light enough for text.
LIGHT = {
    "page": "#ffffff",
    "surface": "#f5f7f9",
    "text": "#222832",
    "muted": "#48566b",
    "border": "#d1d5da",
    "accent": "#0072b2",
    "good": "#00694c",
    "half": "#7a5200",
    "bad": "#a94400",
    "none": "#48566b",
}
DARK = {
    "page": "#14181e",
    "surface": "#1d232c",
    "text": "#ced6dd",
    "muted": "#a3adba",
    "border": "#3a4452",
    "accent": "#6cb8e8",
    "good": "#4fc9a4",
    "half": "#e8b04a",
    "bad": "#f0955a",
    "none": "#a3adba",
}


def _variables(theme: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in theme.items())


STYLE = (
    f"""
:root {{color-scheme:light dark;{_variables(LIGHT)}}}
@media (prefers-color-scheme:dark) {{:root {{{_variables(DARK)}}}}}
"""
    + """
* {box-sizing:border-box}
body {background:var(--page);color:var(--text);font:1rem/1.6 system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue",Arial,sans-serif;margin:0;-webkit-text-size-adjust:100%}
header,main,footer {margin:0 auto;max-width:50rem;padding:0 1.25rem;overflow-wrap:anywhere}
header {padding-top:2.5rem}
footer {color:var(--muted);font-size:.875rem;margin-top:3rem;padding-bottom:2rem}
footer p {border-top:1px solid var(--border);padding-top:1rem}
h1 {font-size:1.9rem;font-weight:650;letter-spacing:-.01em;line-height:1.2;margin:.1rem 0 .4rem}
h2 {font-size:1.25rem;line-height:1.3;margin:2.5rem 0 .6rem}
h3 {font-size:1.1rem;line-height:1.3;margin:0}
p {margin:.6rem 0}
a {color:var(--accent);text-underline-offset:.15em}
:is(a,summary,[tabindex]):focus-visible {outline:3px solid var(--accent);outline-offset:2px}
.skip {background:var(--page);left:1rem;padding:.4rem .8rem;position:absolute;top:-4rem}
.skip:focus {top:.5rem}
.over {color:var(--accent);font-weight:600;margin:0}
.note {color:var(--muted);margin:.2rem 0}
.total {font-size:1.15rem;margin:1.4rem 0 .5rem}
.total strong {font-size:2.4rem;font-weight:650;letter-spacing:-.02em;line-height:1.1}
svg {display:block;height:auto;max-width:100%;width:100%}
svg text {fill:var(--muted);font-size:13px}
.track {fill:var(--border)} .fill {fill:var(--accent)} .axis {stroke:var(--border)}
.bar {border-radius:4px;height:8px}
.scroll {overflow-x:auto}
table {border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}
th,td {border-bottom:1px solid var(--border);overflow-wrap:break-word;padding:.5rem .6rem;
text-align:left;vertical-align:top}
th {font-weight:600} thead th {color:var(--muted);font-size:.875rem}
tbody th {font-weight:500}
tr > :first-child {padding-left:0} tr > :last-child {padding-right:0}
.number {text-align:right;white-space:nowrap}
.share {min-width:3.5rem;vertical-align:middle;width:40%}
.verdict {font-weight:600}
.good {color:var(--good)} .half {color:var(--half)}
.bad {color:var(--bad)} .none {color:var(--none)}
.task {border:1px solid var(--border);border-left:4px solid;border-radius:6px;margin:1.1rem 0;
padding:1rem 1.2rem}
.task > * {color:var(--text)}
.task .top {align-items:baseline;display:flex;flex-wrap:wrap;gap:.2rem 1rem;
justify-content:space-between}
.task .top .number {font-variant-numeric:tabular-nums}
.text {white-space:pre-wrap}
.hint {background:var(--surface);border-radius:6px;margin:.6rem 0;padding:.6rem .9rem}
.hint p {margin:0} .hint p + p {margin-top:.4rem}
p code,td code {background:var(--surface);border-radius:3px;font-size:.9em;padding:.1em .25em}
.hint code {background:var(--page)}
details {margin-top:.6rem}
summary {cursor:pointer;font-weight:600;padding:.2rem 0}
.task > :first-child {margin-top:0} .task > :last-child {margin-bottom:0}
pre {background:var(--surface);border-radius:6px;font:.85rem/1.55 ui-monospace,SFMono-Regular,Menlo,
Consolas,"Liberation Mono",monospace;margin:.5rem 0 0;overflow:auto;overflow-wrap:normal;
max-height:32rem;padding:.8rem 1rem;tab-size:4;unicode-bidi:plaintext}
.mark {border:1px solid;border-radius:3px;color:var(--bad);font-size:.8em;padding:0 .2em}
.hidden {clip-path:inset(50%);height:1px;overflow:hidden;position:absolute;white-space:nowrap;
width:1px}
ul.flags {margin:0;padding-left:1.1rem}
dl {display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(7rem,1fr));margin:1.4rem 0}
dl div {background:var(--surface);border-radius:6px;padding:.7rem .9rem}
dt {color:var(--muted);font-size:.875rem}
dd {font-size:1.4rem;font-weight:600;font-variant-numeric:tabular-nums;line-height:1.3;margin:0}
@media (max-width:30rem) {header {padding-top:1.5rem} h1 {font-size:1.6rem}
.task {padding:.8rem .9rem} th,td {padding:.45rem .35rem} svg text {font-size:21px}}
@media print {.task {break-inside:avoid} pre {max-height:none;white-space:pre-wrap}}
"""
)


def _page(title: str, header: str, main: str, footer: str) -> str:
    """Put a page together; its policy names the style sheet's digest and allows nothing else."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">Skip to the content</a>\n'
        f'<header>\n{header}</header>\n<main id="main">\n{main}</main>\n'
        f"<footer>\n{footer}</footer>\n</body>\n</html>\n"
    )


def _text(text: str) -> str:
    return html.escape(text, quote=True)


def _format_characters() -> str:
    """Return a character class of what is invisible or reorders text."""
    ranges = (range(0x7F, 0x3000), range(0xFE00, 0x10000), range(0x110BD, 0x110CE))
    found = {chr(c) for r in ranges for c in r if unicodedata.category(chr(c)) == "Cf"}
    pictures = "\u2400-\u2424"  # what a record makes of control characters; few fonts have them
    beyond = "\U0001bca0-\U0001bca3\U000e0000-\U000e007f"
    return f"[{re.escape(''.join(sorted(found)))}{pictures}{beyond}]"


_INVISIBLE = re.compile(f"({_format_characters()})\\1*")


def _spelt(match: re.Match[str]) -> str:
    character, count = match[1], len(match[0])
    name = unicodedata.name(character, "invisible character")
    control = name.removeprefix("SYMBOL FOR ")
    said = f"U+{ord(character):04X}" if control == name else control
    times = f" &times; {count:,}" if count > 1 else ""
    return f'<span class="mark" title="{name}">{said}{times}</span>'


def _shown(text: str) -> str:
    """Escape a text and spell out what is invisible in it or reorders it."""
    return _INVISIBLE.sub(_spelt, _text(text))


def _prose(text: str) -> str:
    """Return a sentence as HTML, with what stands in backticks as code.

    >>> _prose("it uses `a < b`")
    'it uses <code>a &lt; b</code>'
    """
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", _shown(text))


def code_html(code: str) -> str:
    """Return a student's code as HTML: escaped, invisible characters spelt out, long parts cut.

    >>> code_html("a < b")
    'a &lt; b'
    """
    lines = code.rstrip().split("\n")
    shown = []
    for line in lines[:LINES]:
        rest = len(line) - LINE_LENGTH
        escaped = _shown(line[:LINE_LENGTH])
        note = f'<span class="mark">{rest:,} more characters</span>' if rest > 0 else ""
        shown.append(escaped + note)
    if len(lines) > LINES:
        shown.append(f'<span class="mark">{len(lines) - LINES:,} more lines</span>')
    return "\n".join(shown)


def _points(value: Decimal | float) -> str:
    """Spell points without needless zeros: 3, 2.5, 0.33."""
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    return f"{rounded(exact):f}".rstrip("0").rstrip(".")


def _share(points: Decimal, most: Decimal) -> float:
    return float(points / most) if most else 0.0


def _bar(share: float) -> str:
    """Draw a share as a bar, beside a number that says the same."""
    width = f"{100 * min(max(share, 0), 1):.1f}"
    return (
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" width="100" height="8"/><rect class="fill" width="{width}" '
        'height="8"/></svg>'
    )


def _table(label: str, title: str, columns: Sequence[str], rows: str) -> str:
    """Return a heading and its table, which scrolls by itself where it is too wide."""
    numbers = ("Points", "Right", "Mean", "Time to grade")
    kinds = [' class="number"' if column in numbers else "" for column in columns]
    head = "".join(
        f'<th scope="col"{kind}>{column}</th>' if column else "<td></td>"
        for kind, column in zip(kinds, columns, strict=True)
    )
    return (
        f'<h2 id="{label}">{title}</h2>\n<div class="scroll" tabindex="0" role="region" '
        f'aria-labelledby="{label}"><table aria-labelledby="{label}">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )


def _verdict(verdict: str) -> str:
    sign, words, colour = WORDS[verdict]
    return f'<span class="verdict {colour}"><span aria-hidden="true">{sign}</span> {words}</span>'


def _task(task: TaskResult, number: int) -> str:
    """Return the section of one task: verdict, reason, hint and the student's code."""
    name, colour = _text(task.task), WORDS[task.verdict][2]
    earned = f"{_points(task.points)} of {_points(task.max_points)}"
    parts = [
        f'<section class="task {colour}" aria-labelledby="task-{number}">\n<div class="top">\n'
        f'<h3 id="task-{number}">{name}</h3>\n<span class="number">{earned} points</span>\n</div>\n'
        f"<p>{_verdict(task.verdict)}</p>\n"
    ]
    if task.reason:
        parts.append(f'<p class="text">{_prose(task.reason)}</p>\n')
    if task.hint.strip() and task.verdict != "right":
        parts.append(_hint(task.hint))
    if task.code.strip():
        opened = "" if task.verdict == "right" else " open"
        parts.append(
            f'<details{opened}>\n<summary>Your code<span class="hidden"> of {name}</span>'
            f'</summary>\n<pre tabindex="0" role="region" aria-label="Your code of {name}"><code>'
            f"{code_html(task.code)}</code></pre>\n</details>\n"
        )
    return "".join([*parts, "</section>\n"])


def _hint(hint: str) -> str:
    """Return a hint, a paragraph a line."""
    first, *rest = (f"<p>{_prose(line)}</p>" for line in hint.split("\n") if line.strip())
    first = first.replace("<p>", "<p><strong>Hint.</strong> ", 1)
    return f'<div class="text hint">{"".join([first, *rest])}</div>\n'


def _one_for_all(record: Record) -> str:
    """Return what is said of a submission of which no task could be graded, else nothing."""
    said = {(task.verdict, task.reason, task.hint) for task in record.tasks if not task.code}
    if len(said) != 1 or any(task.code for task in record.tasks):
        return ""
    ((verdict, reason, hint),) = said
    if verdict not in ("missing", "refused") or not reason:
        return ""
    return (
        f'<section class="task {WORDS[verdict][2]}" aria-label="All tasks">\n'
        f'<p>{_verdict(verdict)}</p>\n<p class="text">{_prose(reason)}</p>\n'
        f"{_hint(hint) if hint.strip() else ''}</section>\n"
    )


def _summary(record: Record) -> str:
    """Return the table of all tasks, which leads to their sections."""
    rows = "".join(
        f'<tr><th scope="row"><a href="#task-{number}">{_text(task.task)}</a></th>'
        f'<td>{_verdict(task.verdict)}</td><td class="number">{_points(task.points)} of '
        f"{_points(task.max_points)}</td></tr>\n"
        for number, task in enumerate(record.tasks, start=1)
    )
    columns = ("Task", "Verdict", "Points")
    return _table("overview", "Overview", columns, rows)


def student_page(record: Record, penalty: Decimal = Decimal(0)) -> str:
    """Return a student's page.

    Args:
        record: the student's record and nothing else, so that the page cannot give away a test.
        penalty: points that lateness costs.
    """
    most = record.exact_max_points
    points = record.exact_points - penalty
    header = (
        f'<p class="over">Feedback · {_text(record.exercise)}</p>\n'
        f"<h1><bdi>{_text(record.name or record.student)}</bdi></h1>\n"
        f'<p class="total"><strong>{_points(points)}</strong> of {_points(most)} points</p>\n'
        f"{_bar(_share(points, most))}\n"
    )
    if penalty:
        header += (
            f'<p class="note">{_points(record.exact_points)} points for the answers; '
            f"{_points(penalty)} are taken off because it came late.</p>\n"
        )
    elif record.late:
        header += '<p class="note">It came after the deadline.</p>\n'
    if record.attempt:
        header += f'<p class="note">This is attempt {record.attempt + 1}.</p>\n'
    if not record.tasks:
        main = "<p>There was nothing to grade.</p>\n"
    elif not (main := _one_for_all(record)):
        sections = (_task(task, number) for number, task in enumerate(record.tasks, start=1))
        main = "".join([_summary(record), "<h2>Task by task</h2>\n", *sections])
    footer = (
        f"<p>Student: <bdi>{_text(record.student)}</bdi>. Submission: "
        f"{record.submission[:12] or 'none was found'}"
        f"{' (the beginning of the SHA-256 of your notebook)' if record.submission else ''}.</p>\n"
    )
    return _page(f"{record.exercise}: your feedback", header, main, footer)


def _histogram(shares: Sequence[float]) -> str:
    """Draw how many students reached which tenth of the points, and say it in words."""
    counts = [0] * 10
    for share in shares:
        counts[min(max(int(share * 10 + 1e-9), 0), 9)] += 1
    tallest = max(counts)
    words = [f"{10 * i} to {10 * i + 10} %: {count}" for i, count in enumerate(counts) if count]
    bars = []
    for i, count in enumerate(counts):
        height = 150 * count / tallest
        x, y = 8 + 62.4 * i, 180 - height
        bars.append(
            f'<rect class="fill" x="{x + 4:.1f}" y="{y:.1f}" width="54.4" height="{height:.1f}" '
            f'rx="2"/>'
        )
        if count:
            bars.append(
                f'<text x="{x + 31.2:.1f}" y="{y - 7:.1f}" text-anchor="middle">{count}</text>'
            )
    ticks = "".join(
        f'<text x="{8 + 62.4 * i:.1f}" y="202" text-anchor="middle">{10 * i}</text>'
        for i in range(11)
    )
    return (
        '<svg viewBox="-16 -8 672 240" role="img" aria-labelledby="picture"><title id="picture">'
        f"Students by share of the points. {'; '.join(words)}.</title>{''.join(bars)}"
        f'<line class="axis" x1="8" x2="632" y1="180.5" y2="180.5"/>{ticks}'
        '<text x="320" y="227" text-anchor="middle">share of the points, %</text></svg>\n'
    )


def _successes(grades: Sequence[Grade]) -> str:
    """Return the table of the tasks: how many answers were right, and the mean share.

    Whoever has handed nothing in says nothing about a task and is left out.
    """
    rows = []
    answered = [grade for grade in grades if grade.record.submission] or grades
    for name in task_names(answered):
        results = [t for g in answered for t in g.record.tasks if t.task == name]
        right = sum(t.verdict == "right" for t in results)
        shares = [t.points / t.max_points if t.max_points else 0.0 for t in results]
        mean = sum(shares) / len(shares)
        mistakes = Counter(t.mistake for t in results if t.mistake).most_common()
        named = ", ".join(f"{mistake.replace('_', ' ')}: {count}" for mistake, count in mistakes)
        rows.append(
            f'<tr><th scope="row">{_text(name)}</th><td class="number">{right} of {len(results)}'
            f'</td><td class="number">{100 * mean:.0f} %</td><td class="share">{_bar(mean)}'
            f"</td><td>{_text(named)}</td></tr>\n"
        )
    columns = ("Task", "Right", "Mean", "", "Known mistakes")
    return _table("tasks", "Tasks", columns, "".join(rows))


def _linked(record: Record, links: Mapping[str, str]) -> str:
    """Return a student's name, a link where there is a page."""
    name = f"<bdi>{_text(record.name or record.student)}</bdi>"
    if record.student in links:
        return f'<a href="{_text(links[record.student])}">{name}</a>'
    return name


def _flags(flags: Sequence[str]) -> str:
    """Return a flag as it is, several as a list."""
    if len(flags) == 1:
        return _prose(flags[0])
    return f'<ul class="flags">{"".join(f"<li>{_prose(flag)}</li>" for flag in flags)}</ul>'


def _flagged(grades: Sequence[Grade], links: Mapping[str, str]) -> str:
    """Return what the grader wants the instructor to look at."""
    flagged = [grade.record for grade in grades if grade.record.flags]
    if not flagged:
        return '<h2>To look at</h2>\n<p class="note">No submission was flagged.</p>\n'
    rows = "".join(
        f'<tr><th scope="row">{_linked(record, links)}</th><td>{_flags(record.flags)}</td></tr>\n'
        for record in flagged
    )
    columns = ("Student", "What the grader noticed")
    return _table("flagged", "To look at", columns, rows)


def _alike(pairs: Sequence[similar.Pair], names: Mapping[str, str]) -> str:
    """Return whose answers share what few others have; `names` are as the page shows them."""
    note = (
        '<p class="note">Runs of code that few others have, whatever its names and comments: a '
        "reason to look, and no more. Who had it from whom, or both from a third, it does not say; "
        "short answers are alike by themselves, and what was rewritten is not found.</p>\n"
    )
    if not pairs:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{names[pair.first]}</th><td>{names[pair.second]}</td>'
        f'<td class="number">{100 * pair.share:.0f} %</td><td>{_text(", ".join(pair.tasks))}</td>'
        "</tr>\n"
        for pair in pairs
    )
    columns = ("Student", "Student", "In common", "Tasks")
    return _table("alike", "Alike", columns, rows) + note


def _students(grades: Sequence[Grade], links: Mapping[str, str]) -> str:
    """Return the list of all students, with links to their pages."""
    rows = []
    for grade in grades:
        record = grade.record
        notes = [] if record.submission else ["nothing handed in"]
        if record.late:
            notes.append(f"late, &minus;{_points(grade.penalty)}" if grade.penalty else "late")
        notes += [f"attempt {record.attempt + 1}"] * bool(record.attempt)
        notes += ["flagged"] * bool(record.flags)
        rows.append(
            f'<tr><th scope="row">{_linked(record, links)}</th>'
            f"<td><bdi>{_text(record.student)}</bdi></td>"
            f'<td class="number">{_points(grade.points)}</td><td>{", ".join(notes)}</td></tr>\n'
        )
    columns = ("Name", "Identifier", "Points", "Notes")
    return _table("students", "Students", columns, "".join(rows))


def _slowest(
    grades: Sequence[Grade], seconds: Mapping[str, float], links: Mapping[str, str]
) -> str:
    """Return the submissions that took longest to grade, if that was measured."""
    known = [(seconds[g.record.student], g.record) for g in grades if g.record.student in seconds]
    if not known:
        return ""
    longest = sorted(known, key=lambda pair: (-pair[0], pair[1].student))[:SLOWEST]
    rows = "".join(
        f'<tr><th scope="row">{_linked(record, links)}</th>'
        f'<td class="number">{taken:.2f} s</td></tr>\n'
        for taken, record in longest
    )
    return _table("slowest", "Slowest", ("Student", "Time to grade"), rows)


def _median(values: Sequence[Decimal]) -> Decimal:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return (ordered[middle] + ordered[~middle]) / 2


def class_page(
    grades: Sequence[Grade],
    links: Mapping[str, str] | None = None,
    seconds: Mapping[str, float] | None = None,
    alike: Sequence[similar.Pair] = (),
) -> str:
    """Return the instructor's page of a class.

    Args:
        grades: settled grades of one exercise, at least one.
        links: the relative address of each student's page.
        seconds: how long each submission took to grade.
        alike: pairs of students of the class.
    """
    most = max(grade.record.exact_max_points for grade in grades)
    points = [grade.points for grade in grades]
    facts = {
        "Handed in": str(sum(bool(grade.record.submission) for grade in grades)),
        "Missing": str(sum(not grade.record.submission for grade in grades)),
        "Mean": _points(sum(points, Decimal(0)) / len(points)),
        "Median": _points(_median(points)),
        "Full points": str(sum(value >= most for value in points)),
        "Flagged": str(sum(bool(grade.record.flags) for grade in grades)),
    }
    listed = "".join(f"<div><dt>{what}</dt><dd>{fact}</dd></div>\n" for what, fact in facts.items())
    exercise = grades[0].record.exercise
    header = (
        f'<p class="over">Class report</p>\n<h1>{_text(exercise)}</h1>\n'
        f'<p class="note">{len(grades)} students, at most {_points(most)} points</p>\n'
    )
    shares = [_share(g.points, g.record.exact_max_points) for g in grades]
    links, seconds = links or {}, seconds or {}
    names = {grade.record.student: _linked(grade.record, links) for grade in grades}
    main = (
        f"<dl>\n{listed}</dl>\n<h2>Distribution</h2>\n{_histogram(shares)}"
        f"{_successes(grades)}{_flagged(grades, links)}{_alike(alike, names)}"
        f"{_slowest(grades, seconds, links)}{_students(grades, links)}"
    )
    footer = "<p>For the instructor: this page names every student; do not hand it out.</p>\n"
    return _page(f"{exercise}: the class", header, main, footer)


def write(
    folder: Path,
    grades: Sequence[Grade],
    secret: bytes = b"",
    seconds: Mapping[str, float] | None = None,
    alike: Sequence[similar.Pair] = (),
) -> dict[str, Path]:
    """Write `class.html` and a page for each student, each file whole or not at all.

    Args:
        folder: where to; students' pages go into `students/` in it.
        grades: settled grades of one exercise.
        secret: makes the names of students' pages unguessable, so that they can be published.
        seconds: how long each submission took to grade.
        alike: pairs of students of the class, for the instructor.

    Returns:
        The page of each student.

    Raises:
        JournalError: if a page cannot be written.
    """
    private_folder(folder / "students")
    pages, links, files = {}, {}, {}
    for grade in grades:
        student = grade.record.student
        links[student] = f"students/{file_name(student, secret)}.html"
        pages[student] = folder / links[student]
        files[pages[student]] = student_page(grade.record, grade.penalty).encode()
    replace_all(files)
    replace(folder / "class.html", [class_page(grades, links, seconds, alike).encode()])
    return pages
