"""``shared.face_restorers``: ours, which extensions offer and call, and those of extensions, which restore for everybody."""
from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.checkpoint_list import run_on_worker
from modules.a1111.live import LiveList
from modules.application.faces import RESTORERS, OtherRestorer
from modules.extension_host.host import file_of
from modules.schema.errors import WebuiError

log = logging.getLogger(__name__)


class FaceRestoration:
    """A face restorer. Subclasses do ``restore``."""

    def name(self) -> str:
        return "None"

    def restore(self, np_image: Any) -> Any:
        return np_image


class OursAsRestorer(FaceRestoration):
    """CodeFormer or GFPGAN. Without its weights the picture stays as it is, and the log says which file is missing."""

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name

    def restore(self, np_image: Any, w: float | None = None) -> Any:
        app, picture = current(), Image.fromarray(np.asarray(np_image, np.uint8))
        try:
            return np.asarray(run_on_worker(lambda: app.faces.for_job(app.settings).restored(picture, self._name, weight=w)))
        except WebuiError as error:
            log.warning("%s The picture stays as it was.", error)
            return np_image


_ours = {name: OursAsRestorer(name) for name in RESTORERS}


def face_restorer(name: str) -> OursAsRestorer:
    return _ours[name]


def nothing_to_set_up(dirname: str) -> None:
    """A1111's ``setup_model``: ours stand in the list from the start."""


def _known(foreign: list[Any]) -> Iterator[Any]:
    names = {each.name() for each in foreign}
    return (each for name, each in _ours.items() if name not in names)


face_restorers = LiveList(_known)


def offer_restorers() -> None:
    """What extensions put into the list can be chosen wherever ours can."""
    current().faces.others[:] = [lambda: [OtherRestorer(name=str(each.name()), restore=lambda picture, each=each: _restored(each, picture)) for each in face_restorers.foreign()]]


def _restored(restorer: Any, picture: Image.Image) -> Image.Image:
    host = current().extensions
    with host.guarded(host.owner_of(file_of(restorer.restore)), f"face restorer {restorer.name()}"):
        return Image.fromarray(np.asarray(restorer.restore(np.array(picture.convert("RGB")))).clip(0, 255).astype(np.uint8))
    return picture


def restore_faces(np_image: Any) -> Any:
    """By the first registered restorer that the setting names; the picture as it is where there is none."""
    wanted = current().settings.get("face_restoration_model") if is_occupied() else None
    found = [each for each in face_restorers if each.name() == wanted or wanted is None]
    return found[0].restore(np_image) if found else np_image
