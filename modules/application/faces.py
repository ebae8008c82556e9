"""Face restoration: which weights are here, what to do about those that are not, and restoring inside a job. Nothing is fetched."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from modules.application.downloads import Published
from modules.engine.hooks import is_over
from modules.engine.restore_faces import FaceTools, boxes_of_faces, restored_faces
from modules.schema.errors import InvalidValue

if TYPE_CHECKING:
    from PIL.Image import Image

    from modules.engine.hooks import CancelView
    from modules.library.catalogue import Catalogue
    from modules.library.model_file import ModelFile

RESTORERS = ("CodeFormer", "GFPGAN")
DETECTOR_FILE = "detection_Resnet50_Final.pth"
_DETECTOR_ADDRESS = f"https://github.com/xinntao/facexlib/releases/download/v0.1.0/{DETECTOR_FILE}"
_FILES = {
    "GFPGAN": ("GFPGANv1.4.pth", "https://github.com/TencentARC/GFPGAN/releases/download/v1.3.0/GFPGANv1.4.pth"),
    "CodeFormer": ("codeformer-v0.1.0.pth", "https://github.com/sczhou/CodeFormer/releases/download/v0.1.0/codeformer.pth"),
}


class Settings(Protocol):
    """Anything that answers for a setting's value by key."""

    def get(self, key: str) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class OtherRestorer:
    """One that an extension brings. restore: picture -> picture."""

    name: str
    restore: Callable[[Image], Image]


@dataclass(frozen=True, kw_only=True, eq=False)
class Faces:
    """What restores faces. gfpgan_model: the file that --gfpgan-model names. on_cpu: restorers that stay on the CPU (--use-cpu gfpgan ...).

    others: each lists some that extensions bring.
    """

    catalogue: Catalogue
    tools: FaceTools
    gfpgan_model: str | None = None
    on_cpu: tuple[str, ...] = ()
    others: list[Callable[[], Iterable[OtherRestorer]]] = field(default_factory=list)

    def names(self) -> list[str]:
        """Ours, whose weights need not be here, then the others."""
        return list(dict.fromkeys((*RESTORERS, *(each.name for each in self._others()))))

    def other(self, name: str) -> OtherRestorer | None:
        """The extension's one of that name."""
        return next((each for each in self._others() if each.name == name), None)

    def _others(self) -> list[OtherRestorer]:
        return [each for some in self.others for each in some()]

    def weights(self, name: str) -> Path:
        """The file of the restorer ``name``. Raises InvalidValue: which file is missing, where it belongs and where it comes from."""
        if name not in _FILES:
            raise InvalidValue(f"There is no face restoration model called {name[:80]!r}.", f"Choose {' or '.join(self.names())}.", field="face_restoration_model")
        files = [each for each in self._files(name) if name.lower() in each.path.name.lower()]
        if name == "GFPGAN" and self.gfpgan_model:
            named = Path(self.gfpgan_model)
            files = [each for each in self._files(name) if each.path.name == named.name] or files
        if files:
            return max(files, key=lambda each: each.path.name).path
        file, address = _FILES[name]
        raise InvalidValue(f"{name} cannot restore faces: its weights, {file}, are not in {self._folder(name)}.", f"Download them from {address}, put them there and try again.",
                           field="face_restoration_model")

    def detector(self) -> Path:
        """The file of the face detector. Raises InvalidValue as ``weights`` does."""
        for each in (*self.catalogue.gfpgan_files(), *self.catalogue.codeformer_files()):
            if each.path.name.lower() == DETECTOR_FILE.lower():
                return each.path
        raise InvalidValue(
            f"Faces cannot be found: the detector's weights, {DETECTOR_FILE}, are not in {self._folder('GFPGAN')}.",
            f"Download them from {_DETECTOR_ADDRESS}, put them there and try again.", field="face_restoration_model")

    def published(self) -> list[Published]:
        """What the restorers take, to be fetched."""
        return [Published(final=self._folder(each) / file, address=address) for each, (file, address) in _FILES.items()] + [
            Published(final=self._folder("GFPGAN") / DETECTOR_FILE, address=_DETECTOR_ADDRESS)]

    def check(self, name: str) -> None:
        """Raises InvalidValue when ``name`` cannot restore faces here; looks into the folders again before it does."""
        if self.other(name) is not None:
            return
        try:
            self._both(name)
        except InvalidValue:
            self.catalogue.refresh()
            self._both(name)

    def for_job(self, settings: Settings, *, say: Callable[[str], None] = lambda text: None, cancel: CancelView | None = None) -> JobFaces:
        """As it runs inside one job."""
        return JobFaces(faces=self, settings=settings, say=say, stopped=lambda: cancel is not None and is_over(cancel))

    def _both(self, name: str) -> None:
        missing: list[InvalidValue] = []
        for look in (lambda: self.weights(name), self.detector):
            try:
                look()
            except InvalidValue as error:
                missing.append(error)
        if missing:
            raise InvalidValue(" ".join(each.message for each in missing), " ".join(each.remedy for each in missing), field="face_restoration_model")

    def _files(self, name: str) -> Sequence[ModelFile]:
        return self.catalogue.gfpgan_files() if name == "GFPGAN" else self.catalogue.codeformer_files()

    def _folder(self, name: str) -> Path:
        roots = self.catalogue.roots
        return (roots.gfpgan if name == "GFPGAN" else roots.codeformer)[0].folder


@dataclass(frozen=True, kw_only=True)
class JobFaces:
    """Face restoration for one job. say: told in words what it is at."""

    faces: Faces
    settings: Settings
    say: Callable[[str], None]
    stopped: Callable[[], bool]

    def check(self, name: str) -> None:
        """Raises InvalidValue when ``name`` cannot restore faces here."""
        self.faces.check(name)

    def restored(self, picture: Image, name: str, *, weight: float | None = None) -> Image:
        """``picture`` with its faces restored by ``name``. weight: CodeFormer's, 0 changes most. Raises InvalidValue and CannotLoad."""
        self.check(name)
        self.say(f"Restoring faces with {name}")
        try:
            if (other := self.faces.other(name)) is not None:
                return other.restore(picture)
            return restored_faces(
                picture, self.faces.tools, detector=self.faces.detector(), weights=self.faces.weights(name),
                weight=self.settings.get("code_former_weight") if weight is None else weight, on_cpu=name.lower() in self.faces.on_cpu,
                unload=self.settings.get("face_restoration_unload"), stopped=self.stopped)
        finally:
            self.say("")

    def boxes(self, picture: Image) -> Sequence[tuple[float, float, float, float]]:
        """Where faces are; none where the detector's weights are not here."""
        try:
            detector = self.faces.detector()
        except InvalidValue:
            return ()
        return boxes_of_faces(picture, self.faces.tools, detector=detector)
