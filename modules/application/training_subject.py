"""What a training trains, with its file: an embedding or a hypernetwork."""
from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from modules.application.app import App
from modules.engine.resolved import SamplingOptions
from modules.engine.training.learners import EmbeddingLearner, HypernetworkLearner
from modules.engine.training.optimiser import Optimiser
from modules.files.atomic import write_bytes
from modules.files.storage import StorageError
from modules.imaging.captioned import captioned
from modules.loading.embedding_file import embedding_values, write_embedding
from modules.loading.embedding_images import with_embedding
from modules.loading.embeddings import load_embedding
from modules.loading.hypernetwork_file import TrainableHypernetwork
from modules.schema.errors import InvalidValue, UnknownName
from modules.schema.params_training import TrainingRequest

if TYPE_CHECKING:
    from PIL.Image import Image

    from modules.loading.components import Components

log = logging.getLogger(__name__)


class Subject(Protocol):
    """name: what it is called; path: its file; copies, losses: names in the log directory. step: how far it is trained. rate: text of its learning rates."""

    name: str
    path: Path
    copies: str
    losses: str
    step: int
    rate: str
    learner: Any
    optimiser: Optimiser

    @property
    def is_sound(self) -> bool:
        """Whether all that was learnt are numbers."""
        ...

    def file(self, name: str, model_hash: str, model_name: str) -> bytes:
        """What a file called ``name`` holds now."""
        ...

    def take_up_optimiser(self) -> None:
        """Go on where the last training left it, if that state was kept."""
        ...

    def keep_optimiser(self) -> None:
        """Beside the file, for the next training."""
        ...

    def prompt(self, text: str) -> str:
        """For a test picture: ``text`` with what is trained at work."""
        ...

    def carried_by(self, picture: Image, model_hash: str, model_name: str) -> bytes | None:
        """A PNG of ``picture`` that carries it; None for what no picture carries."""
        ...

    def about(self) -> dict[str, Any]:
        """What the log says of it."""
        ...


class _Optimised:
    """What moves the learner's values, and its state beside the file."""

    path: Path
    step: int
    learner: EmbeddingLearner | HypernetworkLearner
    optimiser: Optimiser

    def take_up_optimiser(self) -> None:
        try:
            kept = self._beside.read_bytes()
        except OSError:
            return
        if self.optimiser.take_up(kept, self.mark()):
            log.info("the optimiser goes on where the last training left it")

    def keep_optimiser(self) -> None:
        try:
            write_bytes(self._beside, self.optimiser.kept(self.mark()))
        except StorageError as error:
            log.warning("the optimiser's state was not kept: %s", error)

    @property
    def is_sound(self) -> bool:
        return self.learner.is_sound

    def mark(self) -> str:
        """By which the state is known to belong to what was learnt."""
        return f"{self.learner.checksum}-{self.step}"

    @property
    def _beside(self) -> Path:
        return self.path.with_name(self.path.name + ".optim")


class EmbeddingSubject(_Optimised):
    """The embedding that the request names. Raises UnknownName, CannotLoad, InvalidValue where it does not fit the checkpoint."""

    copies, losses = "embeddings", "textual_inversion_loss.csv"

    learner: EmbeddingLearner

    def __init__(self, app: App, asked: TrainingRequest, components: Components, options: SamplingOptions) -> None:
        file = next((each for each in reversed(app.catalogue.embeddings_now()) if each.stem == asked.embedding_name), None)
        if file is None:
            raise UnknownName("embedding", asked.embedding_name, [each.stem for each in app.catalogue.embeddings()])
        found = load_embedding(file.path)
        needed = tuple(each.width for each in components.text_encoders if each.spec.is_clip)
        if found is None or found.widths != needed:
            raise InvalidValue(
                f"The embedding {file.stem!r} was not made for {components.family.name} checkpoints.", "Create one while the checkpoint to train on is chosen.",
                field="embedding_name")
        self.name, self.step, self.rate = file.stem, found.step or 0, asked.embedding_learn_rate
        if file.path.suffix.lower() not in (".pt", ".bin"):     # its successor would be a .pt beside it, and prompts would mean the old one
            raise InvalidValue(f"{file.path.name} cannot be trained further: what is learnt is kept in .pt files.", "Create a new embedding and train that.", field="embedding_name")
        self.path = file.path
        self.learner = EmbeddingLearner(found, components, options, app.embeddings)
        self.optimiser = Optimiser(self.learner.parameters, weight_decay=0.0)
        self._count = found.vector_count

    def file(self, name: str, model_hash: str, model_name: str) -> bytes:
        file = io.BytesIO()
        write_embedding(file, self._values(name, model_hash, model_name))
        return file.getvalue()

    def prompt(self, text: str) -> str:
        return text

    def carried_by(self, picture: Image, model_hash: str, model_name: str) -> bytes | None:
        name = f"{self.name}-{self.step}"
        values = self._values(name, model_hash, model_name)
        if "string_to_param" not in values:
            return None
        card = captioned(picture, f"<{name}>", (model_name, f"[{model_hash}]", f"{self._count}v {self.step}s"))
        return with_embedding(card, values)

    def about(self) -> dict[str, Any]:
        return {"num_vectors_per_token": self._count}

    def _values(self, name: str, model_hash: str, model_name: str) -> dict[str, Any]:
        return embedding_values(self.learner.learnt, name=name, step=self.step, model_hash=model_hash, model_name=model_name)

    def mark(self) -> str:
        return self.learner.checksum          # A1111's own


class HypernetworkSubject(_Optimised):
    """The hypernetwork that the request names. Raises UnknownName, CannotLoad."""

    copies, losses = "hypernetworks", "hypernetwork_loss.csv"

    learner: HypernetworkLearner

    def __init__(self, app: App, asked: TrainingRequest, components: Components, options: SamplingOptions) -> None:
        file = app.hypernetworks.find(asked.hypernetwork_name)
        if file is None:
            raise UnknownName("hypernetwork", asked.hypernetwork_name, [each.stem for each in app.catalogue.hypernetworks()])
        self._network = TrainableHypernetwork.read(file.path)
        self.name, self.step, self.rate, self.path = file.stem, self._network.step, asked.hypernetwork_learn_rate, file.path
        self.learner = HypernetworkLearner(self._network, components, options, app.embeddings)
        self.optimiser = Optimiser(self.learner.parameters)

    def file(self, name: str, model_hash: str, model_name: str) -> bytes:
        self._network.step = self.step
        file = io.BytesIO()
        self._network.write(file, name=name, model_hash=model_hash, model_name=model_name)
        return file.getvalue()

    def prompt(self, text: str) -> str:
        return f"{text}<hypernet:{self.name}:1>"

    def carried_by(self, picture: Image, model_hash: str, model_name: str) -> bytes | None:
        return None

    def about(self) -> dict[str, Any]:
        shape = self._network.shape
        return {
            "layer_structure": list(shape.structure), "activation_func": shape.activation, "weight_init": shape.init, "add_layer_norm": shape.norm,
            "use_dropout": any(shape.dropout)}
