"""A1111's text stage over our text encoders: ``cond_stage_model``, and for SDXL ``conditioner`` with its ``embedders``.

It cuts prompts as the engine does. Where an extension hooks it or replaces one of its methods, the engine reads prompts through it
(``text_door``); where nobody did, it only answers questions.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from modules.a1111.app_slot import current
from modules.a1111.open_clip_names import byte_letters
from modules.a1111.running import running_work
from modules.a1111.stubs import stub
from modules.a1111.text_names import engine_places, shown_place
from modules.application.engine_inputs import resolve
from modules.engine.emphasis import emphasise
from modules.engine.ldm_layers import Layer
from modules.engine.prompt_chunks import CHUNK_LENGTH, Chunking
from modules.engine.prompt_chunks import PromptChunk as EngineChunk
from modules.engine.prompt_tokens import prompt_tokenizer
from modules.engine.text_door import Own, reader_at, stand_reader
from modules.engine.text_encoding import EncodedTexts, encode_chunks
from modules.loading.components import Components
from modules.schema.request import Txt2ImgRequest

_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


class PromptChunk:
    """77 tokens with their weights, start and end included; fixes: embeddings' places."""

    def __init__(self, chunk: EngineChunk | None = None) -> None:
        self.tokens: list[int] = list(chunk.tokens) if chunk else []
        self.multipliers: list[float] = list(chunk.weights) if chunk else []
        self.fixes: list[Any] = [shown_place(each) for each in chunk.embeddings] if chunk else []


class CLIPTokenizer:
    """transformers' CLIPTokenizer with the names that it had when A1111 was written."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._convert_token_to_id = tokenizer.convert_tokens_to_ids
        self._convert_id_to_token = tokenizer.convert_ids_to_tokens
        self.encoder = tokenizer.get_vocab()
        self.decoder = {number: word for word, number in self.encoder.items()}
        self.byte_encoder = byte_letters()
        self.byte_decoder = {letter: byte for byte, letter in self.byte_encoder.items()}

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._tokenizer(*given, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


class _TakesTensors(nn.Module):
    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Kept for ``sd_model.state_dict()``, from which mergers load the model anew: its text encoders' own modules bear other names."""
        self.__dict__.setdefault("given", {}).update({name: each.detach().cpu().clone() for name, each in state_dict.items()})
        return super().load_state_dict({}, strict=False)


class TextConditionalModel(_TakesTensors):
    """A1111's base of all text stages."""


class WrappedEncoder(nn.Module):
    """CompVis' encoder around the real one. An extension that would make one of its own is told that it cannot."""

    def __init__(self, module: nn.Module | None = None, tokenizer: Any = None, *_: Any, **__: Any) -> None:
        if not isinstance(module, nn.Module):
            stub("ldm.modules.encoders.modules", type(self).__name__)()
        super().__init__()
        self.transformer = self.model = module
        self.tokenizer, self.max_length = tokenizer, CHUNK_LENGTH + 2


# Extensions ask for the encoder's class, some with == (DAAM): these are the names that they import from ldm and sgm.
class FrozenCLIPEmbedder(WrappedEncoder):
    """OpenAI's."""


class FrozenOpenCLIPEmbedder(WrappedEncoder):
    """OpenCLIP's, of SD 2.x."""


class FrozenOpenCLIPEmbedder2(WrappedEncoder):
    """OpenCLIP's as SDXL's second one."""


class FrozenCLIPEmbedderWithCustomWordsBase(TextConditionalModel):
    """One text encoder. number: which of the model's."""

    chunk_length = CHUNK_LENGTH
    is_trainable = False
    input_key = "txt"
    legacy_ucg_val = None
    wrapper: ClassVar[type[WrappedEncoder]] = FrozenCLIPEmbedder
    watched: ClassVar[tuple[str, ...]] = ("tokenize", "tokenize_line", "process_texts", "process_tokens", "encode_with_transformers", "empty_chunk")

    def __init__(self, components: Components, number: int, hijack: Any) -> None:
        super().__init__()
        self._keep(components=components, number=number, encoder=components.text_encoders[number], hijack=hijack, asker=None)
        tokenizer = prompt_tokenizer()
        self.id_start, self.id_end, self.id_pad, self.comma_token = tokenizer.start, tokenizer.end, tokenizer.end, tokenizer.comma
        self.return_pooled = self._encoder.spec.pooled
        module, words = self._encoder.kept(), CLIPTokenizer(self._encoder.tokenizer)
        embeddings = module.get_input_embeddings()
        embeddings.__dict__.setdefault("wrapped", embeddings)           # A1111's EmbeddingsWithFixes stands around the real one
        if not hasattr(module, "text_model"):
            module.__dict__["text_model"] = module
        self._keep(wrapped=self.wrapper(module, words), tokenizer=words)

    hijack: Any
    wrapped: Any
    tokenizer: Any
    _components: Components
    _number: int
    _encoder: Any
    _asker: Own | None

    def _keep(self, **values: Any) -> None:
        """Not as submodules: these have their place in the program."""
        for name, value in values.items():
            self.__dict__[name if name in ("wrapped", "tokenizer", "hijack") else f"_{name}"] = value

    @property
    def is_deeply_touched(self) -> bool:
        """Whether somebody replaced a method that ``forward`` is made of."""
        return any(name in self.__dict__ or getattr(type(self), name) is not _OWN[name] for name in self.watched)

    @property
    def is_touched(self) -> bool:
        return _is_hooked(self, _OWN_FORWARD) or self.is_deeply_touched

    def read(self, texts: list[str], own: Own, *, negative: bool) -> EncodedTexts:
        """The engine asks."""
        self.__dict__["_asker"] = own
        try:
            return _taken(texts, lambda: self(texts), own)
        finally:
            self.__dict__["_asker"] = None

    def forward(self, texts: Any) -> Any:
        """Texts -> (n, T, C); with their pooled states where the encoder has them."""
        texts = list(texts)
        is_alone = len(self._components.text_encoders) == 1
        if self._asker is not None and is_alone and not self.is_deeply_touched:
            return self._asker(texts).tokens
        chunked, _ = self.process_texts(texts)
        rows = max((len(chunks) for chunks in chunked), default=0)
        found = []
        for row in range(rows):
            here = [chunks[row] if row < len(chunks) else self.empty_chunk() for chunks in chunked]
            self.hijack.fixes = [chunk.fixes for chunk in here]
            found.append(self.process_tokens([chunk.tokens for chunk in here], [chunk.multipliers for chunk in here]))
        self.hijack.fixes = None
        z = torch.cat(found, dim=1)
        pooled = getattr(found[0], "pooled", None)
        return (z, pooled) if self.return_pooled and pooled is not None else z

    def encode(self, text: Any) -> Any:
        return self(text)

    def process_tokens(self, remade_batch_tokens: list[list[int]], batch_multipliers: list[list[float]]) -> Tensor:
        """One chunk of each text -> (n, 77, C) with its weights. The pooled state is its attribute ``pooled``."""
        z = self.encode_with_transformers(torch.asarray(remade_batch_tokens))
        weights = torch.asarray(batch_multipliers, device=z.device, dtype=z.dtype)
        pooled, counts = getattr(z, "pooled", None), torch.ones(len(z), device=z.device)
        z = emphasise(z, weights, counts, _options().emphasis, torch.asarray(remade_batch_tokens))
        if pooled is not None:
            z.pooled = pooled  # type: ignore[attr-defined]
        return z

    def encode_with_transformers(self, tokens: Tensor) -> Tensor:
        """(n, 77) token numbers -> (n, 77, C), embeddings in the places that ``hijack.fixes`` names."""
        fixes = self.hijack.fixes or []
        rows = [EngineChunk(tokens=tuple(row), weights=(1.0,) * len(row), embeddings=engine_places(fixes[n]) if n < len(fixes) else ()) for n, row in enumerate(tokens.tolist())]
        with torch.no_grad():
            found = encode_chunks(self._encoder, rows, _options(), number=self._number)
        if found.pooled is not None:
            found.tokens.pooled = found.pooled  # type: ignore[attr-defined]
        return found.tokens

    def encode_embedding_init_text(self, init_text: str, nvpt: int) -> Tensor:
        """The vectors (n, C) of the words ``init_text``, before the encoder."""
        numbers = torch.asarray(prompt_tokenizer().tokenize(init_text)[: max(nvpt, 1)] or [self.id_pad])
        embeddings = self._encoder.module.get_input_embeddings()
        with torch.no_grad():
            return embeddings(numbers.to(embeddings.weight.device))

    @property
    def _rules(self) -> Chunking:
        app = current()
        settings = app.settings
        widths = tuple(each.width for each in self._components.text_encoders if each.spec.is_clip)
        return Chunking(tokenizer=prompt_tokenizer(), emphasis=settings.get("emphasis"), comma_backtrack=settings.get("comma_padding_backtrack"),
                        embeddings=app.embeddings.finder(prompt_tokenizer().tokenize, widths))

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        """Token numbers of each text, without start and end."""
        return [prompt_tokenizer().tokenize(text) for text in texts]

    def tokenize_line(self, line: str) -> tuple[list[PromptChunk], int]:
        """The chunks of one text, and its length in tokens."""
        chunks, count = self._rules.chunks(line)
        return [PromptChunk(chunk) for chunk in chunks], count

    def process_texts(self, texts: list[str]) -> tuple[list[list[PromptChunk]], int]:
        """The chunks of each text, and the greatest length."""
        known: dict[str, tuple[list[PromptChunk], int]] = {}
        for text in texts:
            if text not in known:
                known[text] = self.tokenize_line(text)
        return [known[text][0] for text in texts], max((count for _, count in known.values()), default=0)

    def empty_chunk(self) -> PromptChunk:
        return PromptChunk(self._rules.empty_chunk())

    def get_target_prompt_token_count(self, token_count: int) -> int:
        return max(1, -(-token_count // self.chunk_length)) * self.chunk_length


class FrozenCLIPEmbedderWithCustomWords(FrozenCLIPEmbedderWithCustomWordsBase):
    """OpenAI's encoder."""


class FrozenCLIPEmbedderForSDXLWithCustomWords(FrozenCLIPEmbedderWithCustomWords):
    """The same as SDXL's first one."""


class FrozenOpenCLIPEmbedderWithCustomWords(FrozenCLIPEmbedderWithCustomWordsBase):
    """OpenCLIP's, of SD 2.x."""

    wrapper = FrozenOpenCLIPEmbedder


class FrozenOpenCLIPEmbedder2WithCustomWords(FrozenOpenCLIPEmbedderWithCustomWords):
    """OpenCLIP's as SDXL's second one."""

    wrapper = FrozenOpenCLIPEmbedder2


class GeneralConditioner(_TakesTensors):
    """SDXL's: forward({"txt": texts, ...}) -> {"crossattn", "vector"}."""

    def __init__(self, components: Components, hijack: Any) -> None:
        super().__init__()
        made = [_embedder(components, number, hijack, several=True) for number in range(len(components.text_encoders))]
        self.embedders = nn.ModuleList(made)
        self.wrapped = nn.Module()
        self.__dict__["_asker"] = None

    @property
    def is_touched(self) -> bool:
        return _is_hooked(self, _CONDITIONER_FORWARD) or any(each.is_touched for each in self.embedders)

    def read(self, texts: list[str], own: Own, *, negative: bool) -> EncodedTexts:
        """The engine asks."""
        work = running_work()
        request = work.listeners[-1].writer.request if work is not None and work.listeners else None
        size = torch.tensor([[float(request.height), float(request.width)] if request is not None else [1024.0, 1024.0]])
        given = {
            "txt": texts, "original_size_as_tuple": size, "crop_coords_top_left": torch.zeros_like(size), "target_size_as_tuple": size,
            "aesthetic_score": torch.tensor([[2.5 if negative else 6.0]]),
        }  # fmt: skip
        self.__dict__["_asker"] = own
        try:
            return _taken(texts, lambda: self(given), own)
        finally:
            self.__dict__["_asker"] = None

    def forward(self, batch: dict[str, Any], force_zero_embeddings: Any = None) -> dict[str, Tensor]:
        texts = list(batch["txt"])
        asker: Own | None = self.__dict__["_asker"]
        if asker is not None and not any(each.is_touched for each in self.embedders):
            found = asker(texts)
            return {"crossattn": found.tokens} | ({} if found.pooled is None else {"vector": found.pooled})
        outputs = [each(texts) for each in self.embedders]
        states = [each[0] if isinstance(each, tuple) else each for each in outputs]
        pooled = next((each[1] for each in outputs if isinstance(each, tuple)), None)
        return {"crossattn": torch.cat(states, dim=-1)} | ({} if pooled is None else {"vector": pooled})

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        return self.embedders[0].tokenize(texts)  # type: ignore[operator]

    def process_texts(self, texts: list[str]) -> Any:
        return self.embedders[0].process_texts(texts)  # type: ignore[operator]

    def get_target_prompt_token_count(self, token_count: int) -> int:
        return self.embedders[0].get_target_prompt_token_count(token_count)  # type: ignore[operator]


LDM: dict[str, Any] = {"FrozenCLIPEmbedder": FrozenCLIPEmbedder, "FrozenOpenCLIPEmbedder": FrozenOpenCLIPEmbedder}      # names in *.modules.encoders.modules
SGM: dict[str, Any] = {"FrozenCLIPEmbedder": FrozenCLIPEmbedder, "FrozenOpenCLIPEmbedder2": FrozenOpenCLIPEmbedder2, "GeneralConditioner": GeneralConditioner}
_OWN = {name: getattr(FrozenCLIPEmbedderWithCustomWordsBase, name) for name in FrozenCLIPEmbedderWithCustomWordsBase.watched}
_OWN_FORWARD, _CONDITIONER_FORWARD = FrozenCLIPEmbedderWithCustomWordsBase.forward, GeneralConditioner.forward


def text_stage(components: Components, hijack: Any) -> Any:
    """The stage of this model, always the same one."""
    found = reader_at(components)
    if found is None:
        several = components.text_encoders[0].spec.prefix.startswith("conditioner.")
        found = GeneralConditioner(components, hijack) if several else _embedder(components, 0, hijack)
        stand_reader(components, found)
    return found


def _embedder(components: Components, number: int, hijack: Any, *, several: bool = False) -> FrozenCLIPEmbedderWithCustomWordsBase:
    is_open = components.text_encoders[number].spec.kind == "open_clip"
    kinds = {
        (False, False): FrozenCLIPEmbedderWithCustomWords, (False, True): FrozenCLIPEmbedderForSDXLWithCustomWords,
        (True, False): FrozenOpenCLIPEmbedderWithCustomWords, (True, True): FrozenOpenCLIPEmbedder2WithCustomWords,
    }  # fmt: skip
    return kinds[is_open, several](components, number, hijack)


def _is_hooked(stage: nn.Module, own: Any) -> bool:
    return "forward" in stage.__dict__ or type(stage).forward is not own or any(getattr(stage, name) for name in _HOOKS)


def _taken(texts: list[str], ask: Callable[[], Any], own: Own) -> EncodedTexts:
    """What the stage answered; the engine's own reading where it failed or gave something else."""
    plain: EncodedTexts | None = None
    try:
        found = ask()
        cross, pooled = (found["crossattn"], found.get("vector")) if isinstance(found, dict) else found if isinstance(found, tuple) else (found, None)
        if not isinstance(cross, Tensor) or cross.ndim != 3 or len(cross) != len(texts):
            raise ValueError("it gave no tensor with one row per prompt")
        if pooled is None:
            plain = own(texts)
            pooled = plain.pooled
        return EncodedTexts(tokens=cross.float(), pooled=pooled)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        Layer.failed(None, "the text encoder", error)
        return plain or own(texts)


def _options() -> Any:
    """The sampling options of the job under way, or those of the settings."""
    work = running_work()
    if work is not None and work.listeners:
        return work.listeners[-1].writer.request.options
    return resolve(Txt2ImgRequest(), current().settings).options
