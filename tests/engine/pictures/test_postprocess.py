"""Operations run in their order on every picture there is, and stop when they are told to; pieces and crops have the sizes asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from modules.engine.postprocess import Operation, PostPicture, infotext_of, run_operations
from modules.imaging.crops import Interests, SizeSearch, focal_crop, focal_point, middle_crop, pieces

GREY = PostPicture(picture=Image.new("RGB", (8, 8), "#808080"))


def noted(name: str, order: float, log: list[str], *, copies: int = 1) -> Operation:
    def apply(given: PostPicture) -> list[PostPicture]:
        log.append(name)
        return [replace(given, facts={**given.facts, name: len(log)})] * copies

    return Operation(name=name, order=order, apply=apply)


def test_lower_orders_run_first_and_on_every_copy() -> None:
    log: list[str] = []
    made = run_operations(GREY, [noted("last", 30, log), noted("first", 10, log, copies=2), noted("middle", 20, log)], stopped=lambda: False)
    assert log == ["first", "middle", "middle", "last", "last"] and len(made) == 2


def test_the_setting_for_the_order_goes_first() -> None:
    log: list[str] = []
    run_operations(GREY, [noted("a", 1, log), noted("b", 2, log), noted("c", 3, log)], order=["c", "gone"], stopped=lambda: False)
    assert log == ["c", "a", "b"]


def test_a_finished_picture_is_left_alone_and_a_stop_leaves_none() -> None:
    log: list[str] = []
    assert run_operations(replace(GREY, finished=True), [noted("a", 1, log)], stopped=lambda: False) and log == []
    assert run_operations(GREY, [noted("a", 1, log)], stopped=lambda: True) == []


def test_facts_are_written_as_a1111_does() -> None:
    assert infotext_of({"Postprocess upscale by": 2.0, "Postprocess upscaler": "x, y", "same": "same", "none": None}) == (
        'Postprocess upscale by: 2.0, Postprocess upscaler: "x, y", same')


@pytest.mark.parametrize(("size", "count"), [((300, 1200), 5), ((1200, 300), 5), ((300, 320), 1), ((100, 450), 5)])
def test_long_pictures_fall_into_pieces_of_the_size_asked_for(size: tuple[int, int], count: int) -> None:
    found = pieces(Image.linear_gradient("L").resize(size), (64, 64), threshold=0.5, overlap=0.2)
    assert len(found) == count or (count > 1 and len(found) > 1)
    assert count == 1 or all(each.size == (64, 64) for each in found)


def test_an_auto_sized_crop_is_the_largest_that_fits() -> None:
    search = SizeSearch(sides=(384, 768), areas=(64 * 64, 640 * 640), error=0.1)
    size = search.best(1000, 1000)
    assert size == (640, 640)
    assert middle_crop(Image.new("RGB", (1000, 700)), (640, 448)).size == (640, 448)
    assert SizeSearch(sides=(384, 448), areas=(64 * 64, 640 * 640), error=0.01).best(2000, 100) is None


def test_the_focal_point_is_where_something_is() -> None:
    picture = Image.new("RGB", (400, 200), "#404040")
    picture.paste(Image.effect_noise((60, 60), 80).convert("RGB"), (320, 120))
    x, y = focal_point(picture, Interests())
    assert x > 280 and y > 100
    cut, box = focal_crop(picture, (64, 64), (x, y))
    assert cut.size == (64, 64) and box == (200, 0, 400, 200)
    assert focal_point(Image.new("RGB", (400, 200)), Interests(entropy=0.0)) == (200.0, 100.0)
    assert focal_point(picture, Interests(faces=((0, 0, 20, 20),), entropy=0, edges=0)) == (10.0, 10.0)
