"""What learns: an embedding's vectors, or a hypernetwork's layers. Each says how a prompt is read meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from modules.engine.conditioning_cache import ConditioningCache
from modules.engine.encode_prompt import encode_texts
from modules.engine.hypernetworks import attached_to
from modules.engine.resolved import SamplingOptions
from modules.loading.embedding_file import checksum
from modules.loading.embeddings import Embedding, are_numbers
from modules.loading.hypernetwork import Hypernetwork

if TYPE_CHECKING:
    from modules.loading.components import Components
    from modules.loading.embeddings import EmbeddingShelf
    from modules.loading.hypernetwork_file import TrainableHypernetwork


class Learner(Protocol):
    """parameters: what the optimiser moves. is_sound: whether they all are numbers. checksum: a mark of them as they are now."""

    @property
    def parameters(self) -> list[Tensor]: ...
    @property
    def is_sound(self) -> bool: ...
    @property
    def checksum(self) -> str: ...

    def read(self, texts: Sequence[str], size: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
        """Context (B, T, width) and vector (B, V) or None, of one prompt per picture of ``size``."""
        ...

    def at_work(self) -> AbstractContextManager[None]:
        """While a step is computed."""
        ...


def _are_numbers(values: Sequence[Tensor]) -> bool:
    return all(map(are_numbers, (each.detach() for each in values)))


class _Reader:
    """How prompts become conditioning. embeddings: others that prompts may name."""

    def __init__(self, components: Components, options: SamplingOptions, embeddings: EmbeddingShelf | None) -> None:
        self.components, self.options, self.embeddings = components, options, embeddings
        self.cache = ConditioningCache()

    def read(self, texts: Sequence[str], size: tuple[int, int], learning: Embedding | None = None) -> tuple[Tensor, Tensor | None]:
        found = encode_texts(
            texts, self.components, self.options, embeddings=self.embeddings, size=size, cache=None if learning else self.cache, learning=learning)
        vectors = [each.vector for each in found if each.vector is not None]
        return torch.stack([each.tensor for each in found]), torch.stack(vectors) if vectors else None


class EmbeddingLearner:
    """embedding: where it begins. Its vectors are copied; ``learnt`` has them as they are by now."""

    def __init__(self, embedding: Embedding, components: Components, options: SamplingOptions, embeddings: EmbeddingShelf | None) -> None:
        self._reader = _Reader(components, options, embeddings)
        self._vectors = [each.detach().clone().to(components.placement.device).requires_grad_() for each in embedding.tensors]
        self._learning = Embedding(name=embedding.name, tensors=tuple(self._vectors))

    @property
    def parameters(self) -> list[Tensor]:
        return list(self._vectors)

    @property
    def is_sound(self) -> bool:
        return _are_numbers(self._vectors)

    @property
    def checksum(self) -> str:
        return checksum(self.learnt)

    @property
    def learnt(self) -> tuple[Tensor, ...]:
        return tuple(each.detach().cpu().clone() for each in self._vectors)

    def read(self, texts: Sequence[str], size: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
        return self._reader.read(texts, size, self._learning)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        yield


class HypernetworkLearner:
    """network: what learns, in place."""

    def __init__(self, network: TrainableHypernetwork, components: Components, options: SamplingOptions, embeddings: EmbeddingShelf | None) -> None:
        self._reader = _Reader(components, options, embeddings)
        self._network, self._components = network, components
        self._all = nn.ModuleList(part for pair in network.layers.values() for part in pair).to(components.placement.device)

    @property
    def parameters(self) -> list[Tensor]:
        return list(self._all.parameters())

    @property
    def is_sound(self) -> bool:
        return _are_numbers(self.parameters)

    @property
    def checksum(self) -> str:
        """Of a part that every step moves."""
        return checksum([self.parameters[-1].detach().cpu()])

    def read(self, texts: Sequence[str], size: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
        with torch.no_grad():
            return self._reader.read(texts, size)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        working = Hypernetwork(name=self._network.name, layers=self._network.layers)
        self._all.train().requires_grad_()
        try:
            with attached_to(self._components.unet, working):
                yield
        finally:
            self._all.eval().requires_grad_(False)
