"""A1111's ``InterrogateModels`` and ``DeepDanbooru``: words for a picture, by our describer under its names."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from modules.a1111.app_slot import current
from modules.application.describing import CLIP, DEEPDANBOORU

Category = namedtuple("Category", ["name", "topn", "items"])


def category_types() -> list[str]:
    """The names of the lists in the folder ``interrogate``."""
    return current().describer.category_names()


def words_for(picture: Any, name: str) -> str:
    """Of one picture, by "clip" or "deepdanbooru". Raises InvalidValue where the model's file is missing."""
    app = current()
    return app.jobs.call(lambda: app.describer.describe(picture, name, app.settings)).words


class InterrogateModels:
    """``shared.interrogator``. What A1111 loads and moves by hand, our describer does when it is asked."""

    blip_model = None
    clip_model = None
    clip_preprocess = None
    dtype = None
    running_on_cpu = False

    def __init__(self, content_dir: str = "interrogate") -> None:
        self.content_dir = content_dir
        self.skip_categories: list[str] = []
        self.loaded_categories = None

    def interrogate(self, pil_image: Any) -> str:
        return words_for(pil_image, CLIP)

    def generate_caption(self, pil_image: Any) -> str:
        """BLIP's sentence alone."""
        app = current()
        return app.jobs.call(lambda: app.describer.sentence(pil_image, app.settings))

    def categories(self) -> list[Category]:
        app = current()
        return [Category(each.name, each.most, list(each.texts)) for each in app.describer.categories(app.settings)]

    def load(self) -> None:
        """Raises InvalidValue where BLIP's file is missing."""
        current().describer.check(CLIP)

    def send_clip_to_ram(self) -> None:
        pass

    def send_blip_to_ram(self) -> None:
        pass

    def unload(self) -> None:
        app = current()
        app.jobs.call(app.describer.forget)


class DeepDanbooru:
    """``deepbooru.model``."""

    model = None

    def load(self) -> None:
        """Raises InvalidValue where its file is missing."""
        current().describer.check(DEEPDANBOORU)

    def start(self) -> None:
        self.load()

    def stop(self) -> None:
        app = current()
        app.jobs.call(lambda: app.describer.rest(app.settings))

    def tag(self, pil_image: Any) -> str:
        return words_for(pil_image, DEEPDANBOORU)

    def tag_multi(self, pil_image: Any, force_disable_ranks: bool = False) -> str:
        """Between ``start`` and ``stop``, for many pictures: the network stays loaded. force_disable_ranks: no scores, whatever the setting says."""
        app = current()
        return app.jobs.call(lambda: app.describer.tags(pil_image, app.settings, may_score=not force_disable_ranks))


interrogator = InterrogateModels()
tagger = DeepDanbooru()
