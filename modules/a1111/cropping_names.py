"""A1111's ``autocrop`` for extensions: pictures cut around what is to be seen in them."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from modules.a1111.app_slot import current, is_occupied
from modules.imaging import crops
from modules.schema.errors import WebuiError


@dataclass
class PointOfInterest:
    """A place in a picture, in pixels."""

    x: Any
    y: Any
    weight: float = 1.0
    size: Any = 10

    def bounding(self, size: Any) -> list[Any]:
        """The box of that size around it."""
        half = size // 2
        return [self.x - half, self.y - half, self.x + half, self.y + half]


@dataclass
class Settings:
    """dnn_model_path is not read: faces are found by the program's own detector, where its file is here."""

    crop_width: int = 512
    crop_height: int = 512
    corner_points_weight: float = 0.5
    entropy_points_weight: float = 0.5
    face_points_weight: float = 0.5
    annotate_image: bool = False
    dnn_model_path: Any = None
    desktop_view_image: bool = field(default=False, init=False)


def crop_image(im: Image.Image, settings: Settings) -> list[Image.Image]:
    """The cut in the size asked for; with annotate_image also the picture with what was found drawn in."""
    size = int(settings.crop_width), int(settings.crop_height)
    faces = _faces(im) if settings.face_points_weight > 0 else ()
    point = crops.focal_point(im, _interests(settings, faces))
    cut, box = crops.focal_crop(im, size, point)
    return [cut, crops.focus_shown(im, box, point, faces)] if settings.annotate_image else [cut]


def focal_point(im: Image.Image, settings: Settings) -> PointOfInterest:
    """Where the picture's subject is."""
    faces = _faces(im) if settings.face_points_weight > 0 else ()
    return PointOfInterest(*map(round, crops.focal_point(im, _interests(settings, faces))))


def image_face_points(im: Image.Image, settings: Settings) -> list[PointOfInterest]:
    """The middle of each face, a little above; none where the detector's file is not here."""
    found = _faces(im)
    return [PointOfInterest(int((left + right) / 2), int(top + (bottom - top) * 0.33), 1 / len(found), int(right - left)) for left, top, right, bottom in found]


def image_corner_points(im: Image.Image, settings: Settings) -> list[PointOfInterest]:
    """The middle of all edges."""
    return [PointOfInterest(*crops.focal_point(im, crops.Interests(face=0, entropy=0, edges=1)), size=4)]


def image_entropy_points(im: Image.Image, settings: Settings) -> list[PointOfInterest]:
    """The middle of where most goes on; a square picture has none, for it is cut at no side."""
    if is_square(*im.size):
        return []
    return [PointOfInterest(*map(int, crops.focal_point(im, crops.Interests(face=0, entropy=1, edges=0))), size=25)]


def centroid(pois: Iterable[PointOfInterest]) -> PointOfInterest:
    """The middle of all, weights aside."""
    every = list(pois)
    return PointOfInterest(sum(each.x for each in every) / len(every), sum(each.y for each in every) / len(every))


def poi_average(pois: Iterable[PointOfInterest], settings: Any = None) -> PointOfInterest:
    """Their middle by weight."""
    every = list(pois)
    total = sum(each.weight for each in every) or 1
    return PointOfInterest(round(sum(each.x * each.weight for each in every) / total), round(sum(each.y * each.weight for each in every) / total))


def is_landscape(w: int, h: int) -> bool:
    return w > h


def is_portrait(w: int, h: int) -> bool:
    return h > w


def is_square(w: int, h: int) -> bool:
    return w == h


def download_and_cache_models(*_: Any) -> None:
    """Nothing is fetched unasked. None is what ``Settings`` takes for "no file"."""


def _interests(settings: Settings, faces: Any) -> crops.Interests:
    return crops.Interests(face=settings.face_points_weight, entropy=settings.entropy_points_weight, edges=settings.corner_points_weight, faces=faces)


def _faces(im: Image.Image) -> Any:
    from modules.engine.restore_faces import boxes_of_faces

    if not is_occupied():
        return ()
    faces = current().faces
    try:
        return boxes_of_faces(im, faces.tools, detector=faces.detector())
    except WebuiError:
        return ()
