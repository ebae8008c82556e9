"""What can wait lets the first page go first, but not for ever."""

from __future__ import annotations

import threading

from modules.application.first_visit import FirstVisit


def waited(visit: FirstVisit, comes_within: float, stands_within: float) -> threading.Thread:
    thread = threading.Thread(target=visit.go_first, args=(comes_within, stands_within), daemon=True)
    thread.start()
    return thread


def test_nobody_comes() -> None:
    thread = waited(FirstVisit(), 0.01, 60)
    thread.join(10)
    assert not thread.is_alive()


def test_a_page_is_waited_for_until_it_stands() -> None:
    visit = FirstVisit()
    visit.begins()
    thread = waited(visit, 0.01, 60)
    thread.join(0.1)
    assert thread.is_alive()
    visit.stands()
    thread.join(10)
    assert not thread.is_alive()


def test_a_page_that_never_stands_is_given_up() -> None:
    visit = FirstVisit()
    visit.begins()
    thread = waited(visit, 0.01, 0.05)
    thread.join(10)
    assert not thread.is_alive()
