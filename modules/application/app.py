"""App: the long-lived services of one server, in one record."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modules.application.default_checkpoint import DefaultCheckpoint
from modules.application.describing import Describer
from modules.application.downloads import Downloads
from modules.application.estimates import Estimates
from modules.application.faces import Faces
from modules.application.first_visit import FirstVisit
from modules.application.network_pages import NetworkPages
from modules.application.paths import Paths
from modules.application.picture_index import PictureIndex
from modules.application.postprocess_door import PostprocessDoor
from modules.application.quick_vaes import QuickVaes
from modules.application.script_door import ScriptDoor
from modules.application.settings_store import SettingsStore
from modules.application.unsaved_checkpoints import UnsavedCheckpoints
from modules.application.upscalers import Upscalers
from modules.engine.precautions import Precautions
from modules.extension_host.host import ExtensionHost
from modules.imaging.save import NumberBook
from modules.jobs.queue import JobQueue
from modules.launching.startup_times import StartupTimes
from modules.loading.control_shelf import ControlShelf

if TYPE_CHECKING:
    from modules.compute.hardware import Hardware
    from modules.compute.policy import ComputePolicy
    from modules.engine.conditioning_cache import ConditioningCache
    from modules.library.catalogue import Catalogue
    from modules.loading.checkpoints import Checkpoints
    from modules.loading.embeddings import EmbeddingShelf
    from modules.loading.hypernetwork import HypernetworkShelf
    from modules.loading.lora import LoraShelf
    from modules.schema.flags import Flags


@dataclass(frozen=True, kw_only=True, eq=False)
class App:
    """Made by ``build_app``, closed by ``close``. notices: sentences about the start that the user should read.

    spare: what extensions keep loaded for its next use; each is called to let go of it when memory runs out.
    """

    flags: Flags
    paths: Paths
    hardware: Hardware
    policy: ComputePolicy
    settings: SettingsStore
    catalogue: Catalogue
    checkpoints: Checkpoints
    jobs: JobQueue
    numbers: NumberBook
    embeddings: EmbeddingShelf
    loras: LoraShelf
    hypernetworks: HypernetworkShelf
    conditionings: ConditioningCache
    pictures: PictureIndex
    upscalers: Upscalers
    faces: Faces
    describer: Describer
    downloads: Downloads
    quick_vaes: QuickVaes
    unsaved: UnsavedCheckpoints
    extensions: ExtensionHost = field(default_factory=ExtensionHost)
    estimates: Estimates = field(default_factory=lambda: Estimates(path=None))
    controls: ControlShelf = field(default_factory=ControlShelf)
    precautions: Precautions = field(default_factory=Precautions)
    network_pages: NetworkPages = field(default_factory=NetworkPages)
    default_checkpoint: DefaultCheckpoint = field(default_factory=DefaultCheckpoint)
    first_visit: FirstVisit = field(default_factory=FirstVisit)
    notices: tuple[str, ...] = ()
    startup_times: StartupTimes = field(default_factory=StartupTimes)
    scripts: ScriptDoor = field(default_factory=ScriptDoor)
    postprocessing: PostprocessDoor = field(default_factory=PostprocessDoor)
    spare: list[Callable[[], None]] = field(default_factory=list)

    def close(self, timeout: float = 10.0) -> bool:
        """Interrupt the running job, keep the waiting ones for the next start. False where its step takes longer than ``timeout`` seconds."""
        ended = self.jobs.close(timeout)
        self.unsaved.close()
        self.pictures.close()
        self.estimates.close()
        return ended
