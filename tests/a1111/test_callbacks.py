"""Callbacks are called in A1111's order; what one of them does wrong stays its own."""
from __future__ import annotations

import sys

import pytest

from modules.a1111 import callbacks
from modules.a1111.callbacks import CATEGORIES
from modules.application.app import App
from modules.engine.hooks import Interrupted


def test_every_callback_of_a1111_can_be_registered_and_removed(a1111: App) -> None:
    def listener(*arguments: object) -> None: ...

    for category in CATEGORIES:
        getattr(callbacks, f"on_{category}")(listener, name="label")
        assert [each.callback for each in callbacks.ordered_callbacks(category)] == [listener]
    assert callbacks.ordered_callbacks("ui_tabs")[0].name == "base/test_callbacks.py/ui_tabs/label"
    callbacks.remove_callbacks_for_function(listener)
    callbacks.on_ui_settings(listener)
    callbacks.remove_current_script_callbacks()
    assert not any(listed for _, listed in callbacks.enumerate_callbacks())


@pytest.mark.parametrize("wrong", [lambda *_: 1 / 0, lambda *_: sys.exit(3), lambda: None], ids=["raises", "exits", "takes other arguments"])
def test_a_bad_callback_is_named_and_left_out(a1111: App, wrong: object) -> None:
    called = []
    for function in (called.append, wrong, called.append):
        callbacks.on_cfg_denoiser(function)  # type: ignore[arg-type]
    callbacks.cfg_denoiser_callback("params")
    assert called == ["params", "params"]
    (trouble,) = a1111.extensions.troubles.found
    assert "test_callbacks.py, cfg_denoiser" in trouble.place and trouble.sentence


def test_an_interrupt_is_no_mistake(a1111: App) -> None:
    def interrupting(params: object) -> None:
        raise Interrupted

    callbacks.on_cfg_denoiser(interrupting)
    with pytest.raises(Interrupted):
        callbacks.cfg_denoiser_callback("params")
    assert not a1111.extensions.troubles.found


@pytest.mark.parametrize(("junk", "kept"), [([("blocks", "Title", "id"), 5], 1), ("text", 0), (None, 0), ([("a", "b")], 0), (7, 0)])
def test_junk_for_a_tab_is_left_out(a1111: App, junk: object, kept: int) -> None:
    callbacks.on_ui_tabs(lambda: junk)
    assert len(callbacks.ui_tabs_callback()) == kept


def test_unloading_goes_backwards(a1111: App) -> None:
    order: list[int] = []
    for number in (1, 2, 3):
        callbacks.on_script_unloaded(lambda number=number: order.append(number))
    callbacks.script_unloaded_callback()
    assert order == [3, 2, 1]
