"""One run of the engine inside a job: what it needs, and who listens. A script's job makes several, one inside the other too."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from modules.application.outcome import Outcome, OutputImage
from modules.application.picture_saver import EarlierPictures, PictureSaver, SavingEars
from modules.application.run_facts import FactsWriter
from modules.application.settings_store import OverlaidSettings
from modules.engine.hooks import BatchPlan, CancelView, GeneratedImage, NullHooks, ProgressSink, SamplingFacts
from modules.imaging.masks import only_masked
from modules.schema.request import Request

if TYPE_CHECKING:
    from PIL.Image import Image

    from modules.engine.adapters import NetworkSwitch


class PictureListener(NullHooks, SavingEars):
    """Hands each picture to the saver as soon as the engine has it. Scripts' bridge is one of its children.

    saver, writer, networks: those of this run, there from ``plans_ready`` on. outcome: what was made, also when the run failed.
    """

    saver: PictureSaver
    writer: FactsWriter
    networks: NetworkSwitch | None = None

    def __init__(self) -> None:
        self.facts: SamplingFacts | None = None
        self.outcome: Outcome | None = None

    def extra(self, image: GeneratedImage, own: Mapping[str, object]) -> Mapping[str, object]:
        """What the picture's text says beyond A1111's fixed fields. own: what the house has to say there."""
        return own

    def plans_ready(self, plans: tuple[BatchPlan, ...]) -> tuple[BatchPlan, ...]:
        self.saver.plans = plans
        return plans

    def known(self, plan: BatchPlan) -> Sequence[GeneratedImage] | None:
        return self.saver.known(plan)

    def composited(self, image: GeneratedImage) -> GeneratedImage:
        self.facts = image.facts or self.facts
        self.saver.take(image)
        return image

    def aside(self, image: GeneratedImage, suffix: str) -> None:
        self.saver.take_beside(image, suffix)

    def masked(self, image: GeneratedImage, mask: Image, alone: Image) -> None:
        """The mask, and what was drawn under it, as the settings want them."""
        get = self.writer.settings.get
        if get("save_mask") or get("return_mask"):
            self.saver.take_beside(replace(image, picture=mask.convert("RGB")), "-mask", saved=get("save_mask"), shown=get("return_mask"))
        if get("save_mask_composite") or get("return_mask_composite"):
            under = replace(image, picture=only_masked(alone, mask))
            self.saver.take_beside(under, "-mask-composite", saved=get("save_mask_composite"), shown=get("return_mask_composite"))


@dataclass(frozen=True, kw_only=True)
class PictureWork:
    """kind: "txt2img" or "img2img". checkpoint: the model's name unless ``settings`` override it.

    noted: told, on the saving thread, all pictures so far whenever one more is safe. earlier: those of a former attempt at the job.
    """

    kind: str
    request: Request
    settings: OverlaidSettings
    checkpoint: str
    user: str
    progress: ProgressSink
    cancel: CancelView
    listener: PictureListener
    say: Callable[[str], None]
    noted: Callable[[list[OutputImage]], None]
    earlier: EarlierPictures | None = None
