"""Tests of cvlab.check: what is right passes, what is wrong fails in one sentence."""

from __future__ import annotations

import contextlib
import doctest
import signal
import threading
import time

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from waiting import GIVE_UP

from cvlab import check
from cvlab.check import CheckFailed, Task
from cvlab.checking import limits, words

HINT = "look at the last axis."


def failure(call, *arguments, **options) -> str:
    """The sentence of a check that fails; it must be one line that ends in one full stop."""
    with pytest.raises(CheckFailed) as caught:
        call(*arguments, **({"hint": HINT} | options))
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert not sentence.endswith("..")
    return sentence


def test_doctests():
    assert doctest.testmod(check).failed == 0


# --- close ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (2, 2.0),
        (2.0000001, 2.0),
        ([1, 2], np.array([1.0, 2.0])),
        (np.eye(3, dtype=np.float32), np.eye(3)),
        (torch.ones(2, 3), np.ones((2, 3))),
        (torch.ones(2, requires_grad=True), [1, 1]),
        ([np.nan, np.inf, -np.inf], [np.nan, np.inf, -np.inf]),
        (np.zeros((0, 3)), np.zeros((0, 3))),
        (1e-9, 0.0),
        (np.True_, 1),
    ],
)
def test_close_passes(actual, expected):
    assert check.close(actual, expected, hint=HINT) is None


@pytest.mark.parametrize(
    ("actual", "expected", "sentence"),
    [
        (3.0, 2.0, "the result is 3 but should be 2: look at the last axis."),
        ([1, 2, 4], [1, 2, 3], "at index 2 the result is 4 but should be 3"),
        ([[1, 2], [3, 5]], [[1, 2], [3, 4]], "at index (1, 1) the result is 5 but should be 4"),
        ([9, 9], [1, 2], "at index 0 the result is 9 but should be 1"),
        ([np.nan], [1.0], "at index 0 the result is nan but should be 1"),
        ([1.0], [np.nan], "at index 0 the result is 1 but should be nan"),
        (np.inf, -np.inf, "the result is inf but should be -inf"),
        ([1.0], 1.0, "the result has shape (1,) but should have ()"),
        (np.ones((2, 1)), np.ones(2), "the result has shape (2, 1) but should have (2,)"),
        ([], [1.0], "the result has shape (0,) but should have (1,)"),
        (None, 1.0, "the function returns nothing: is a `return` missing"),
        ("one", 1.0, "the result is a str, not an array of numbers"),
        ([[1], [1, 2]], [1.0], "the result is a list, not an array of numbers"),
        ({"a": 1}, 1.0, "the result is a dict, not an array of numbers"),
        (lambda: 1, 1.0, "the result is a function, not an array of numbers"),
        (2j, 1.0, "the result is a complex, not an array of numbers"),
    ],
)
def test_close_fails(actual, expected, sentence):
    assert failure(check.close, actual, expected).startswith(sentence)


def test_close_tolerances_are_the_stated_ones():
    check.close(100.09, 100.0, hint=HINT, rtol=1e-3)
    failure(check.close, 100.11, 100.0, rtol=1e-3)
    check.close(0.009, 0.0, hint=HINT, atol=1e-2)
    failure(check.close, 0.011, 0.0, atol=1e-2)
    check.close(1 + 0.9e-6, 1.0, hint=HINT)
    failure(check.close, 1 + 1.1e-6, 1.0)
    check.close(0.9e-8, 0.0, hint=HINT)
    failure(check.close, 1.1e-8, 0.0)


@pytest.mark.filterwarnings("ignore:Casting complex values")
def test_close_refuses_an_imaginary_part():
    failure(check.close, np.array([1 + 2j]), [1.0])


def test_close_refuses_a_number_as_text():
    failure(check.close, "1.0", 1.0)


def test_close_shows_two_numbers_that_differ():
    sentence = failure(check.close, 1.0000021, 1.0)
    shown = sentence.partition(" is ")[2].partition(":")[0].split(" but should be ")
    assert shown[0] != shown[1]


# --- equal, shape, true, raises -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (3, 3),
        (np.int64(3), 3),
        ("cat", "cat"),
        ((2, "a"), (2, "a")),
        ({"a": 1}, {"a": 1}),
        (None, None),
        ([1, 2], [1, 2]),
        (np.array([[1, 2]]), [[1, 2]]),
        (torch.tensor([1, 2]), np.array([1, 2])),
        ([True, False], np.array([True, False])),
        ([], []),
    ],
)
def test_equal_passes(actual, expected):
    assert check.equal(actual, expected, hint=HINT) is None


@pytest.mark.parametrize(
    ("actual", "expected", "sentence"),
    [
        (4, 3, "the result is 4 but should be 3: look at the last axis."),
        (3.0000001, 3, "the result is 3.0000001 but should be 3"),
        ("dog", "cat", "the result is 'dog' but should be 'cat'"),
        (None, 3, "the result is None but should be 3"),
        ((1, 2), (2, 1), "the result is (1, 2) but should be (2, 1)"),
        ([1, 2], (1, 2), "the result is [1, 2] but should be (1, 2)"),
        ([1, 3], [1, 2], "the result is [1, 3] but should be [1, 2]"),
        ([1, 2], [[1, 2]], "the result has shape (2,) but should have (1, 2)"),
        (np.arange(3), 3, "the result is array([0, 1, 2]) but should be 3"),
        (None, [1], "the function returns nothing: is a `return` missing"),
        ("one", [1], "the result is a str, not an array of numbers"),
    ],
)
def test_equal_fails(actual, expected, sentence):
    assert failure(check.equal, actual, expected).startswith(sentence)


def test_equal_shortens_what_is_long():
    sentence = failure(check.equal, "x" * 900, "y" * 900)
    assert len(sentence) < 240
    assert "..." in sentence
    sentence = failure(check.equal, np.arange(900), np.arange(1, 901))
    assert "at index 0 the result is 0 but should be 1" in sentence


def test_equal_compares_lists_of_strings():
    check.equal(["cat", "dog"], ["cat", "dog"], hint=HINT)


def test_equal_compares_two_tensors():
    check.equal(torch.arange(3), torch.arange(3), hint=HINT)


def test_equal_tells_an_array_of_one_from_a_number():
    failure(check.equal, np.array([3]), 3)


def test_equal_is_exact_for_large_integers():
    failure(check.equal, [2**53 + 1], [2**53])


def test_shape():
    check.shape(np.zeros((2, 3)), (2, 3), hint=HINT)
    check.shape(torch.zeros(2, 0), [2, 0], hint=HINT)
    check.shape(5.0, (), hint=HINT)
    sentence = failure(check.shape, np.zeros((3, 2)), (2, 3))
    assert sentence == "the result has shape (3, 2) but should have (2, 3): look at the last axis."
    assert "(2,) but should have (2, 1)" in failure(check.shape, [1, 2], (2, 1))
    assert "returns nothing" in failure(check.shape, None, (2,))
    assert "not an array" in failure(check.shape, "text", (2,))


@pytest.mark.parametrize("condition", [True, 1, np.True_, torch.tensor(True), [0], "x"])
def test_true_passes(condition):
    assert check.true(condition, hint=HINT) is None


@pytest.mark.parametrize("condition", [False, 0, np.False_, torch.tensor(False), [], "", None])
def test_true_fails_with_its_hint(condition):
    assert failure(check.true, condition, hint="the mask is empty") == "the mask is empty."


def test_raises():
    check.raises(ValueError, lambda: int("x"), hint=HINT)
    check.raises(ArithmeticError, lambda: 1 / 0, hint=HINT)  # a subclass is of that kind
    accepted = failure(check.raises, ValueError, lambda: 3)
    assert accepted.startswith("bad input was accepted, no ValueError was raised: look")
    other = failure(check.raises, ValueError, lambda: 1 / 0)
    assert other.startswith("bad input raised ZeroDivisionError instead of ValueError: look")


def test_raises_does_not_take_an_unwritten_function_for_a_refusal():
    def unwritten():
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        check.raises(RuntimeError, unwritten, hint=HINT)


# --- Task -----------------------------------------------------------------------------------------


@check.task("double", points=3)
def check_double(double):
    """The student reads this."""
    check.close(double(2.0), 4.0, hint="multiply by two")
    check.equal(double(0), 0, hint="nothing doubled is nothing")
    check.shape(double(np.ones(3)), (3,), hint="element by element")


def double(x):
    return 2 * x


def test_task_says_what_passed(capsys):
    assert check_double(double) is None
    assert capsys.readouterr().out == "✓ double: 3 checks passed (3 points)\n"
    assert (check_double.identifier, check_double.points) == ("double", 3)
    assert check_double.__name__ == "check_double"
    assert check_double.__doc__ == "The student reads this."
    assert isinstance(check_double, Task)


def test_task_counts_every_kind_of_comparison(capsys):
    @check.task("all", points=1)
    def every_kind(answer):
        check.close(answer(), 1, hint=HINT)
        check.equal(answer(), 1, hint=HINT)
        check.shape(answer(), (), hint=HINT)
        check.true(answer(), hint=HINT)
        check.raises(TypeError, lambda: answer(1), hint=HINT)

    every_kind(lambda: 1)
    every_kind(lambda: 1)  # each run counts from its own start
    assert capsys.readouterr().out.splitlines() == ["✓ all: 5 checks passed (1 point)"] * 2


def test_task_counts_one_check_in_the_singular(capsys):
    @check.task("single", points=1)
    def one(answer):
        check.true(answer(), hint=HINT)

    one(lambda: True)
    assert "1 check passed" in capsys.readouterr().out


def test_task_hands_the_failure_on(capsys):
    with pytest.raises(CheckFailed, match=r"the result is 5 but should be 4: multiply by two\.$"):
        check_double(lambda x: x + 3)
    assert capsys.readouterr().out == ""


def test_task_takes_several_answers(capsys):
    @check.task("inverse", points=2)
    def check_inverse(there, back):
        check.close(back(there(3.0)), 3.0, hint=HINT)

    check_inverse(double, lambda x: x / 2)
    assert "inverse" in capsys.readouterr().out
    with pytest.raises(CheckFailed):
        check_inverse(double, double)


def test_task_greets_an_unwritten_function():
    def double(x):
        raise NotImplementedError

    with pytest.raises(CheckFailed) as caught:
        check_double(double)
    assert str(caught.value) == (
        "double is not written yet: replace `raise NotImplementedError` by your code, run its "
        "cell, then run this one again."
    )
    assert caught.value.__suppress_context__


def test_task_explains_an_exception_and_its_line():
    def double(x):
        y = x * 2
        return y + missing  # noqa: F821

    with pytest.raises(CheckFailed) as caught:
        check_double(double)
    assert str(caught.value) == (
        "double stopped with NameError: name 'missing' is not defined in line "
        f"{double.__code__.co_firstlineno + 2} of its cell (`return y + missing  # noqa: F821`): "
        "is it misspelt, or has the cell that defines it not run."
    )
    assert isinstance(caught.value.__cause__, NameError)


def test_task_names_the_student_line_not_the_library_line():
    def double(x):
        return np.linalg.inv(np.zeros((2, 2)))

    with pytest.raises(CheckFailed, match=r"LinAlgError: .* \(`return np.linalg.inv\("):
        check_double(double)


def test_task_explains_a_wrong_signature():
    with pytest.raises(CheckFailed, match=r"stopped with TypeError: .* positional argument"):
        check_double(lambda: 4.0)


def test_task_lets_an_interruption_through():
    def double(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_double(double)


def test_a_check_that_compares_nothing_is_a_fault_of_the_notebook(capsys):
    @check.task("empty", points=1)
    def nothing(answer):
        answer()

    check.true(True, hint=HINT)  # a comparison outside does not count for it
    with pytest.raises(RuntimeError, match=r"the check of empty compares nothing\."):
        nothing(lambda: 1)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("identifier", "points"), [("", 1), ("a", 0), ("a", -2), (None, 1)])
def test_task_refuses_a_missing_name_or_points(identifier, points):
    with pytest.raises(ValueError, match="a name and at least one point"):
        check.task(identifier, points=points)


def test_task_refuses_fractions_of_points():
    with pytest.raises((TypeError, ValueError)):
        check.task("a", points=1.5)


def test_notebook_shows_the_sentence_alone():
    assert CheckFailed("four is wrong.")._render_traceback_() == ["✗ four is wrong."]
    assert issubclass(CheckFailed, AssertionError)


def test_an_exception_of_several_lines_becomes_one_sentence():
    def double(x):
        raise ValueError("first\nsecond")

    with pytest.raises(CheckFailed) as caught:
        check_double(double)
    assert "\n" not in str(caught.value)


# --- refuses --------------------------------------------------------------------------------------


def forgets_to_double(x):
    return x


def crashes(x):
    return x / 0


def test_refuses_shows_what_a_student_reads(capsys):
    check.refuses(check_double, forgets_to_double)
    assert capsys.readouterr().out == (
        "✓ refused forgets_to_double: the result is 2 but should be 4: multiply by two.\n"
    )


def test_refuses_fails_when_the_wrong_answer_passes(capsys):
    with pytest.raises(AssertionError) as caught:
        check.refuses(check_double, double)
    assert str(caught.value) == "the check of double accepts the wrong answer double."
    assert not isinstance(caught.value, CheckFailed)
    assert capsys.readouterr().out == ""


def test_refuses_takes_a_crash_only_when_it_is_announced(capsys):
    with pytest.raises(ZeroDivisionError):
        check.refuses(check_double, crashes)
    assert capsys.readouterr().out == ""
    check.refuses(check_double, crashes, crashes=True)
    shown = capsys.readouterr().out
    assert shown.startswith("✓ refused crashes: crashes stopped with ZeroDivisionError: ")
    check.refuses(check_double, forgets_to_double, crashes=True)
    assert "should be 4" in capsys.readouterr().out
    with pytest.raises(AssertionError, match="accepts the wrong answer"):
        check.refuses(check_double, double, crashes=True)


def test_refuses_does_not_take_an_unwritten_answer_for_a_wrong_one():
    def unwritten(x):
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        check.refuses(check_double, unwritten)


def test_refuses_fails_for_a_check_that_compares_nothing():
    @check.task("empty", points=1)
    def nothing(answer):
        answer(1)

    with pytest.raises(AssertionError, match="the check of empty accepts the wrong answer"):
        check.refuses(nothing, forgets_to_double)


def test_refuses_takes_further_answers(capsys):
    @check.task("inverse", points=2)
    def check_inverse(there, back):
        check.close(back(there(3.0)), 3.0, hint=HINT)

    check.refuses(check_inverse, forgets_to_double, double)
    assert "refused forgets_to_double" in capsys.readouterr().out


# --- Degenerate input -----------------------------------------------------------------------------


def test_true_refuses_nan_and_arrays():
    failure(check.true, float("nan"))
    assert "one yes or no" in failure(check.true, np.array([True, False]))


def test_equal_tells_an_array_from_a_tuple():
    failure(check.equal, np.array([3]), (3,))
    check.equal((3,), (3,), hint=HINT)


def test_refuses_needs_a_check_and_an_answer():
    with pytest.raises(TypeError, match=r"made with @check\.task"):
        check.refuses(check_double)
    with pytest.raises(TypeError, match=r"made with @check\.task"):
        check.refuses(lambda answer: None, abs)


def test_a_stub_is_no_wrong_answer():
    def stub(x):
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        check.refuses(check_double, stub, crashes=True)


@pytest.mark.parametrize(("identifier", "points"), [(3, 1), ("a", True)])
def test_task_refuses_what_is_no_name_or_number(identifier, points):
    with pytest.raises(ValueError, match="a name and at least one point"):
        check.task(identifier, points=points)


def test_equal_names_the_entry_in_which_long_arrays_differ():
    wrong = np.arange(60)
    wrong[41] = 7
    assert "at index 41 the result is 7 but should be 41" in failure(
        check.equal, wrong, np.arange(60)
    )
    sentence = failure(check.equal, wrong.reshape(6, 10), np.arange(60).reshape(6, 10))
    assert "at index (4, 1) the result is 7 but should be 41" in sentence


# --- rules ----------------------------------------------------------------------------------------


@check.task("ordered", points=1, see="06_evaluation#Ranks", libraries=("numpy",), loops=False)
def check_ordered(ordered):
    check.equal(ordered([3, 1]), [1, 3], hint="sort")


def by_hand(x):
    return [min(x), max(x)]


def by_torch(x):
    return torch.sort(torch.tensor(x)).values


def by_loop(x):
    return [y for _, y in zip(x, (1, 3), strict=True)]


def test_a_forbidden_answer_is_refused_before_there_is_talk_of_points(capsys):
    with pytest.raises(CheckFailed) as caught:
        check_ordered(by_torch)
    line = by_torch.__code__.co_firstlineno + 1
    assert str(caught.value) == (
        f"by_torch uses `torch.sort` in line {line} of its cell; this task allows only NumPy and "
        "plain Python: write it with these."
    )
    with pytest.raises(
        CheckFailed, match=r"has a comprehension in line \d+ of its cell; this task"
    ):
        check_ordered(by_loop)
    assert capsys.readouterr().out == ""


def test_after_success_the_check_says_where_to_read_on(capsys):
    check_ordered(by_hand)
    assert capsys.readouterr().out.splitlines() == [
        "✓ ordered: 1 check passed (1 point)",
        'Read on: chapter 06_evaluation, "Ranks". A solution: solutions/06_evaluation.ipynb.',
    ]


def test_a_named_wrong_answer_may_break_a_rule(capsys):
    check.refuses(check_ordered, by_torch)
    assert "✓ refused by_torch: by_torch uses `torch.sort`" in capsys.readouterr().out


def test_a_local_function_is_read_with_what_stands_around_it():
    tool = torch.sort

    def ordered(x):
        return tool(torch.tensor(x)).values

    with pytest.raises(CheckFailed, match=r"ordered uses `tool` \(`torch\.sort`\) in line"):
        check_ordered(ordered)
    check_ordered(lambda x: [min(x), max(x)])
    with pytest.raises(CheckFailed, match=r"uses `torch\.sort`"):
        check_ordered(lambda x: torch.sort(torch.tensor(x)).values)


def test_without_source_the_check_says_what_it_cannot_tell(capsys):
    names = {}
    exec("def ordered(x):\n    return [min(x), max(x)]", names)
    check_ordered(names["ordered"])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "✓ ordered: 1 check passed (1 point)"
    assert said[1].strip().startswith("The code of ordered could not be read here")
    names["double"] = names["ordered"]
    exec("def double(x):\n    return 2 * x", names)
    check_double(names["double"])  # no rule is declared, so that nothing is missing
    assert "could not be read" not in capsys.readouterr().out


def test_what_is_no_rule_is_refused_where_it_is_declared():
    with pytest.raises(ValueError, match="libraries= is a tuple of names"):
        check.task("a", points=1, libraries="numpy")


# --- an end to what never ends --------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(limits, "SECONDS", 0.2)
    monkeypatch.delenv("CVLAB_BUDGET_SCALE", raising=False)


def spins(x):
    while True:
        x = x + 1


def spins_and_catches(x):
    while True:
        try:
            x = x + 1
        except Exception:
            x = 0


def sleeps(x):
    time.sleep(3600)


needs_signals = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no signals")


@needs_signals
@pytest.mark.parametrize("answer", [spins, spins_and_catches])
def test_an_endless_loop_ends_in_a_sentence(impatient, answer):
    with pytest.raises(CheckFailed) as caught:
        check_double(answer)
    said = str(caught.value)
    start = f"{answer.__name__} did not finish within 0.2 s of computing and was stopped in line "
    assert said.startswith(start)
    assert " of its cell (`" in said
    assert said.endswith(": look for a loop that never ends.")


@needs_signals
def test_one_that_waits_is_stopped_by_the_clock(impatient, monkeypatch):
    monkeypatch.setattr(limits, "PATIENCE", 1.0)
    with pytest.raises(CheckFailed, match=r"sleeps did not finish .*`time.sleep\(3600\)`"):
        check_double(sleeps)


@needs_signals
def test_one_that_is_slow_for_others_sake_is_not_stopped(impatient, monkeypatch):
    """Only the processor's time counts, however far the clock goes."""
    monkeypatch.setattr(limits, "PATIENCE", 1e4)

    def double(x):
        time.sleep(0.3)
        return 2 * x

    check_double(double)


@needs_signals
@pytest.mark.slow
def test_an_endless_wrong_answer_has_to_be_announced(impatient, capsys):
    with pytest.raises(limits.Endless):
        check.refuses(check_double, spins)
    check.refuses(check_double, spins, crashes=True)
    assert "refused spins: spins did not finish" in capsys.readouterr().out


@needs_signals
@pytest.mark.parametrize("answer", [double, spins, crashes])
def test_signals_and_timers_are_left_as_they_were(impatient, answer):
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 600, 300)
        with contextlib.suppress(CheckFailed):
            check_double(answer)
        assert signal.getsignal(signal.SIGALRM)(None, None) is None
        assert rung == [1]
        left, again = signal.getitimer(signal.ITIMER_REAL)
        assert 300 < left <= 600
        assert again == 300
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@needs_signals
def test_a_check_in_a_check_has_its_own_time(impatient):
    @check.task("outer", points=1)
    def outer(answer):
        with pytest.raises(CheckFailed, match="did not finish"):
            check_double(spins)
        check_double(double)
        spins(1)

    with pytest.raises(CheckFailed, match="double did not finish"):
        outer(double)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_in_another_thread_nothing_is_stopped(impatient):
    said = []
    thread = threading.Thread(target=lambda: said.append(check_double(double)))
    thread.start()
    thread.join()
    assert said == [None]


def test_a_slow_machine_has_more_time(monkeypatch):
    monkeypatch.setattr(limits, "SECONDS", 20.0)
    for scale, seconds in (("", 20), ("3", 60), ("0.5", 10), ("none", 20), ("-1", 20), ("inf", 20)):
        monkeypatch.setenv("CVLAB_BUDGET_SCALE", scale)
        assert limits.allowed() == seconds


# --- errors in the course's words -----------------------------------------------------------------


def test_doctests_of_the_words():
    assert doctest.testmod(words).failed == 0


@check.task("normed", points=1)
def check_normed(normed):
    check.shape(normed(np.ones((2, 3, 5, 5)), np.ones(3), size=3), (2, 3, 5, 5), hint=HINT)


def test_an_answer_that_fails_on_shapes_is_told_the_shapes():
    def normed(x, gamma, size):
        return x * gamma

    with pytest.raises(CheckFailed) as caught:
        check_normed(normed)
    line = normed.__code__.co_firstlineno + 1
    assert str(caught.value) == (
        f"normed stopped in line {line} of its cell (`return x * gamma`): arrays of shapes "
        "(2, 3, 5, 5) and (3,) do not fit; it was called with x (2, 3, 5, 5), gamma (3,), size 3."
    )


def test_a_parameter_with_another_value_is_told_as_it_is():
    def normed(x, gamma, size):
        x = np.pad(x, 1)
        return x * gamma

    with pytest.raises(
        CheckFailed, match=r"with gamma \(3,\), size 3, and by then it had x \(4, 5"
    ):
        check_normed(normed)


def test_a_helper_is_named_by_its_line():
    def scaled(x, by):
        return x @ by

    def normed(x, gamma, size):
        return scaled(x, gamma)

    with pytest.raises(CheckFailed, match=r"\(`return x @ by`\): the product @ does not fit: its"):
        check_normed(normed)


def test_call_names_the_mistake():
    @check.task("normed", points=1)
    def check_normed(normed):
        x = np.ones((2, 3, 5, 5))
        result = check.call(normed, x, np.ones(3), size=3, hint="give gamma two new axes")
        check.shape(result, x.shape, hint=HINT)

    def normed(x, gamma, size):
        return x * gamma

    with pytest.raises(CheckFailed) as caught:
        check_normed(normed)
    assert str(caught.value).endswith("gamma (3,), size 3: give gamma two new axes.")
    with pytest.raises(CheckFailed, match="is not written yet"):
        check_normed(unwritten)
    with pytest.raises(
        CheckFailed, match="values than the 3 names that take them; it was called with x"
    ):
        check_normed(unpacks)
    check_normed(lambda x, gamma, size: x)
    check.refuses(check_normed, normed)


def unwritten(*_given, **_options):
    raise NotImplementedError


def unpacks(x, gamma, size):
    n, c, h = x.shape
    return n, c, h


NUMPY = {
    "do not fit": lambda: np.ones((4, 3)) + np.ones(4),
    "values of shape (4, 3) do not fit into an array of (3,)": lambda: np.add(
        np.ones((4, 3)), 1, out=np.ones(3)
    ),
    "values of shape (4,) do not fit into a place of (3,)": lambda: np.ones(3).__setitem__(
        slice(None), np.ones(4)
    ),
    "values of shape (3,) do not fit into a place of (2,)": lambda: np.ones(4).__setitem__(
        np.array([0, 1]), np.ones(3)
    ),
    "arrays of shapes (2,) and (3,) do not fit": lambda: np.broadcast_arrays(
        np.ones(2), np.ones(3)
    ),
    "the product @ does not fit: its inner sides are 3 and 4": lambda: np.ones((2, 3)) @ np.ones(4),
    "the product of shapes (2, 3) and (4,) does not fit: its inner sides are 3 and 4": lambda: (
        np.dot(np.ones((2, 3)), np.ones(4))
    ),
    "different lengths": lambda: np.tensordot(np.ones((2, 3)), np.ones((2, 3)), axes=1),
    "name more axes than array 1 has": lambda: np.einsum("ijk->i", np.ones((2, 3))),
    "an array has more axes than": lambda: np.einsum("i->i", np.ones((2, 3))),
    "differ along axis 1: 3 and 2": lambda: np.concatenate([np.ones((1, 3)), np.ones((1, 2))]),
    "have 2 and 1 axes": lambda: np.concatenate([np.ones((1, 3)), np.ones(3)]),
    "that are stacked have different shapes": lambda: np.stack([np.ones(2), np.ones(3)]),
    "6 numbers do not fill the shape (4,)": lambda: np.ones(6).reshape(4),
    "index 5 lies outside of axis 0, which has 5 entries (0 to 4)": lambda: np.ones(5)[5],
    "an array of 1 axes was given 2 indices": lambda: np.ones(5)[0, 1],
    "a mask has 2 entries along axis 0, its array 3": lambda: np.ones(3)[np.array([True, False])],
    "there is no axis 2 in an array of 2 axes": lambda: np.ones((2, 2)).sum(axis=2),
    "another number of axes": lambda: np.ones((2, 2)).transpose(0, 1, 2),
    "rows of different lengths": lambda: np.array([[1, 2], [3]]),
    "one yes or no is needed": lambda: bool(np.ones(3) > 0),
    "where one number is needed": lambda: range(np.ones(3, dtype=int)),
}
TORCH = {
    "tensors do not fit along axis 1: 3 and 4": lambda: torch.ones(2, 3) + torch.ones(2, 4),
    "the product of shapes (2, 3) and (4, 5) does not fit": lambda: (
        torch.ones(2, 3) @ torch.ones(4, 5)
    ),
    "6 numbers do not fill the shape (4,)": lambda: torch.ones(6).view(4),
    "tensors that are put together differ": lambda: torch.cat([torch.ones(1, 3), torch.ones(1, 2)]),
    "stacked have shapes (2,) and (3,)": lambda: torch.stack([torch.ones(2), torch.ones(3)]),
    "a kernel of shape (4, 3, 3, 3) wants 3 channels, but the input of shape (1, 2, 5, 5) has 2": (
        lambda: torch.conv2d(torch.ones(1, 2, 5, 5), torch.ones(4, 3, 3, 3))
    ),
    "index 5 lies outside of axis 0": lambda: torch.ones(5)[5],
    "more indices than that": lambda: torch.ones(5)[0, 1],
    "there is no axis 2 in a tensor of 2 axes": lambda: torch.ones(2, 2).sum(dim=2),
    "does not spread over (3,)": lambda: torch.ones(4).expand(3),
    "a batch of products": lambda: torch.bmm(torch.ones(2, 3, 4), torch.ones(2, 5, 4)),
    "one yes or no is needed": lambda: bool(torch.ones(3) > 0),
    "of different precision": lambda: torch.ones(2, 2) @ torch.ones(2, 2, dtype=torch.float64),
}


@pytest.mark.parametrize(("wanted", "stop"), [*NUMPY.items(), *TORCH.items()])
def test_what_libraries_say_of_shapes_is_said_in_the_courses_words(wanted, stop):
    with pytest.raises((ValueError, RuntimeError, IndexError, TypeError)) as caught:
        stop()
    assert wanted in words.said(caught.value), caught.value


def test_other_errors_keep_their_words():
    for error in (ValueError("no."), KeyError("shape"), RuntimeError("the test set was opened")):
        assert words.said(error) is None


# --- names that are missing -----------------------------------------------------------------------


def test_a_missing_set_up_ends_in_a_sentence():
    lonely = {"check": check}
    exec("def double(x):\n    return np.multiply(x, 2)", lonely)
    with pytest.raises(CheckFailed) as caught:
        check_double(lonely["double"])
    assert str(caught.value) == (
        "`np` is not defined: run the set-up cell at the top, then the cells of your answers, then "
        "this one again."
    )


def test_a_helper_of_the_check_that_is_missing_ends_in_the_same_sentence():
    @check.task("given", points=1)
    def check_given(given):
        check.true(given_helper(given), hint=HINT)  # noqa: F821

    with pytest.raises(CheckFailed, match="`given_helper` is not defined: run the set-up cell"):
        check_given(double)


# --- in a real kernel -----------------------------------------------------------------------------

CELL = """from cvlab import check


@check.task("double", points=1, libraries=("numpy",), see="01_knn#What is near?")
def check_double(double):
    check.close(double(2.0), 4.0, hint="multiply by two")


check_double(double)"""
ANSWER = "def double(x):\n    return np.multiply(x, 2)"
SENTENCES = {
    "a check before its answer": ((CELL,), "✗ `double` is not defined yet: write your answer in "),
    "after a restart, without the set-up": (
        (ANSWER, CELL),
        "✗ `np` is not defined: run the set-up",
    ),
    "a name of the set-up in a cell": ((CELL, "np.ones(3)"), "✗ `np` is not defined: run the set"),
    "another name": ((CELL, "mine"), "NameError"),
    "a name in a function": ((CELL, "def f():\n    return mine\n\nf()"), "NameError"),
    "another error": ((CELL, "1 / 0"), "ZeroDivisionError"),
    "a forbidden answer": (
        ("import torch", ANSWER.replace("np", "torch"), CELL),
        "✗ double uses `torch.multiply` in line 2 of its cell; this task allows only NumPy and ",
    ),
    "an endless answer": (
        (
            "from cvlab.checking import limits\nlimits.SECONDS = 0.2",
            "def double(x):\n    while True:\n        x += 1",
            CELL,
            "'on it goes'",
        ),
        "✗ double did not finish within 0.2 s of computing and was stopped in line ",
    ),
    "a right answer": (("import numpy as np", ANSWER, CELL), ""),
}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SENTENCES)
def test_a_kernel_shows_one_sentence(name, monkeypatch):
    monkeypatch.delenv("CVLAB_BUDGET_SCALE", raising=False)  # the sentence tells the seconds
    cells, wanted = SENTENCES[name]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    NotebookClient(notebook, timeout=GIVE_UP, allow_errors=True).execute()
    shown = [out for cell in notebook.cells for out in cell.outputs]
    errors = ["".join(out["traceback"]) for out in shown if out["output_type"] == "error"]
    printed = "".join(out.get("text", "") for out in shown)
    assert wanted in "".join(errors[-1:])
    if wanted.startswith("✗"):
        assert errors[-1].startswith(wanted)
        assert "\n" not in errors[-1]
    if not wanted:
        assert errors == []
        assert printed.splitlines() == [
            "✓ double: 1 check passed (1 point)",
            'Read on: chapter 01_knn, "What is near?". A solution: solutions/01_knn.ipynb.',
        ]
