"""Which chapters a run of the tests executes."""

from __future__ import annotations

import subprocess

import conftest
import pytest

from cvlab.classroom.running import turns


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with as many commits as one likes; the function adds one more."""
    monkeypatch.setattr(turns, "ROOT", tmp_path)
    for name in ("CVLAB_PART", "CVLAB_WEEKLY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):  # the same commits in every run
        monkeypatch.setenv(name, "2030-01-01T00:00:00Z")

    def git(*words):
        author = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", *author, *words], cwd=tmp_path, check=True, capture_output=True)

    def commit(name, text):
        (tmp_path / name).write_text(text)
        git("add", name)
        git("commit", "--message", text)

    git("init")
    return commit


@pytest.mark.parametrize("number", [0, 1, 2, 3, 7, 75])
def test_each_page_is_in_one_part(number, monkeypatch, tmp_path):
    monkeypatch.setattr(turns, "changed", set)
    pages = [tmp_path / f"{k:02}.ipynb" for k in range(number)]
    parts = [turns.due(pages, str(part + 1)) for part in range(turns.PARTS)]
    assert sorted(page for part in parts for page in part) == pages == turns.due(pages, "all")
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert all(not set(pages[k : k + 2]) <= set(part) for part in parts for k in range(number - 1))


def test_the_commit_says_whose_turn_it_is(repository, monkeypatch):
    assert turns.part() == "1"  # there is no commit yet
    parts = set()
    for k in range(40):
        repository("a file", str(k))
        parts.add(turns.part())
        assert turns.part() == turns.part()
    assert parts == set("12345678"), "of 40 commits"
    monkeypatch.setenv("CVLAB_WEEKLY", "1")
    assert turns.part() == "all"
    monkeypatch.setenv("CVLAB_PART", "2")
    assert turns.part() == "2"
    monkeypatch.setenv("CVLAB_PART", "9")
    with pytest.raises(ValueError, match=r"CVLAB_PART is '9'; it must be one of all, 1, 2, .* 8\."):
        turns.part()


def test_what_changed_of_late_has_a_turn(repository, tmp_path, monkeypatch):
    pages = [tmp_path / name for name in ("a.ipynb", "b.ipynb", "ö c.ipynb", "d.ipynb", "e.ipynb")]
    repository("b.ipynb", "old")
    assert turns.changed() == set(), "in a clone without history everything is new"
    monkeypatch.setattr(turns, "RECENT", 3)
    repository("ö c.ipynb", "newer")
    for k in range(2):
        repository("a file", str(k))
    assert turns.changed() == {tmp_path / "a file", pages[2]}
    assert turns.due(pages, "1") == [pages[0], pages[2]]
    solved = [tmp_path / "solutions" / page.name for page in pages[:4]]
    assert turns.due(solved, "1", beside=pages) == [solved[0], solved[2]]
    pages[4].write_text("nobody's commit yet")
    pages[1].write_text("an edit")
    assert turns.changed() == {tmp_path / "a file", *pages[1:3], pages[4]}


def test_an_exercise_has_the_turn_of_its_chapter(monkeypatch, tmp_path):
    monkeypatch.setattr(turns, "PARTS", 5)
    monkeypatch.setattr(turns, "changed", set)
    chapters = [tmp_path / "chapters" / f"{k:02}_about_{k}.ipynb" for k in range(9)]
    solved = [tmp_path / "solutions" / page.name for page in chapters if page.stem[1] in "2457"]
    for part in "12345":
        due = {page.name for page in turns.due(chapters, part)}
        exercises = turns.due(solved, part, beside=chapters)
        assert [page.name for page in exercises] == [p.name for p in solved if p.name in due]
    assert turns.due(solved, "all", beside=chapters) == solved
    alone = tmp_path / "solutions" / "99_alone.ipynb"
    assert all(alone in turns.due([*solved, alone], part, beside=chapters) for part in "12345")
    answers = tmp_path / "tests" / "right_answers" / "about_5.py"
    monkeypatch.setattr(turns, "changed", lambda: {answers})
    assert {5, 2, 7} == {int(page.stem[:2]) for page in turns.due(solved, "3", beside=chapters)}


def test_without_a_repository_or_git(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "ROOT", tmp_path / "none")
    for name in ("CVLAB_PART", "CVLAB_WEEKLY"):
        monkeypatch.delenv(name, raising=False)
    assert (turns.part(), turns.changed()) == ("1", set())
    monkeypatch.setenv("PATH", "")
    assert (turns.part(), turns.changed()) == ("1", set())


def test_what_is_not_pushed_is_counted(repository, tmp_path):
    assert turns.unpublished() == 1
    repository("a file", "0")
    assert turns.unpublished() == 1, "nobody knows of an upstream"
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "branch", "published"], check=True, capture_output=True)
    subprocess.run(
        [*git, "branch", "--set-upstream-to", "published"], check=True, capture_output=True
    )
    assert turns.unpublished() == 1, "the last commit stands for what is being done"
    for k in range(3):
        repository(f"file {k}", str(k))
    assert turns.unpublished() == 3
    (tmp_path / "file 3").write_text("nobody's")
    names = {path.name for path in turns.changed(turns.unpublished())}
    assert names == {"file 0", "file 1", "file 2", "file 3"}


def test_what_nobody_changed_of_late_can_wait(repository, monkeypatch, tmp_path):
    monkeypatch.setattr(turns, "RECENT", 2)
    (tmp_path / "room").mkdir()
    (tmp_path / "roomy").mkdir()
    repository("room/a", "1")
    assert turns.lately(["roomy"]), "a clone without history tells nothing"
    repository("roomy/b", "2")
    assert turns.lately(["room"])
    repository("c", "3")
    assert not turns.lately(["room"])
    assert not turns.lately([])
    assert turns.lately(["room", "c"])
    assert turns.lately(["roomy/b"])
    assert not turns.lately(["room/a"])
    (tmp_path / "room" / "a").write_text("nobody's commit")
    assert turns.lately(["room"])
    with pytest.raises(ValueError, match="there is no rooms whose changes"):
        turns.lately(["c", "rooms"])


@pytest.mark.parametrize(("environment", "runs"), [("2", False), ("all", True), ("", True)])
def test_a_test_says_what_it_is_about(monkeypatch, environment, runs):
    """Only a run of one part leaves it to the weekly one."""
    monkeypatch.setattr(conftest, "WEEKLY", False)
    monkeypatch.setattr(turns, "changed", lambda: {turns.ROOT / "README.md"})
    monkeypatch.setenv("CVLAB_PART", environment)

    class Item:
        path = turns.ROOT / "tests" / "running" / "test_turns.py"

        def __init__(self, *about):
            self.about, self.added = about, []

        def iter_markers(self, name):
            assert name == "about"
            return [pytest.mark.about(*words).mark for words in self.about]

        def add_marker(self, mark):
            self.added.append(mark.name)

    items = [Item(), Item(["cvlab/check.py"]), Item(["README.md"]), Item(["cvlab"], ["README.md"])]
    conftest.pytest_collection_modifyitems(items)
    waiting = [] if runs else ["skip"]
    assert [item.added for item in items] == [[], waiting, [], waiting]
