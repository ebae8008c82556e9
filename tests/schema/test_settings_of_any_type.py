"""A value of the wrong kind for a setting is refused by the setting's name, or held as the kind it has: never anything else."""
from __future__ import annotations

from typing import Any

import pytest

from modules.schema.errors import InvalidValue
from modules.schema.setting import Setting
from modules.schema.settings.table import SETTINGS
from modules.schema.widgets import ColorPicker

pytestmark = pytest.mark.group("S20")

WRONG: tuple[Any, ...] = (
    None, "x", "", "\0", "\ud800", "a" * 70_000, True, -1, 1.5, 10**30, float("nan"), float("inf"), [], [1], [[]], [None], {}, {"a": 1}, b"x", object(),
)  # fmt: skip


@pytest.mark.parametrize("setting", [each for each in SETTINGS if each.honoured], ids=lambda setting: setting.key)
def test_it_is_refused_by_name_or_is_of_the_settings_kind(setting: Setting) -> None:
    kind = type(setting.fresh_default())
    kinds = {int: (int, float), float: (int, float), type(None): (str, type(None))}.get(kind, kind)
    for value in WRONG:
        try:
            held = setting.checked(value)
        except InvalidValue as error:
            assert setting.key in str(error) and error.field == setting.key and len(str(error)) < 2000
        else:
            assert isinstance(held, kinds) and (kind is bool or not isinstance(held, bool))


@pytest.mark.parametrize("setting", [each for each in SETTINGS if isinstance(each.widget, ColorPicker)], ids=lambda setting: setting.key)
def test_a_colour_has_as_many_digits_as_pictures_can_be_filled_with(setting: Setting) -> None:
    assert [setting.checked(each) for each in ("#fff", "#12345678", "#ABCDEF")] == ["#fff", "#12345678", "#ABCDEF"]
    for wrong in ("#12345", "#1234567", "fff", "#ggg"):
        with pytest.raises(InvalidValue, match=setting.key):
            setting.checked(wrong)
