"""Every stored text encoder output of A1111 against ours: same schedule boundaries, AND weights and tensors."""

from __future__ import annotations

import functools

import pytest
import torch

from modules.compute.hardware import Hardware
from modules.compute.policy import policy_from_flags
from modules.engine.conditioning import ConditioningPart, PromptConditioning
from modules.engine.encode_prompt import encode_prompts
from modules.engine.resolved import SamplingOptions
from modules.engine.sampler_registry import find_sampler
from modules.engine.styles import apply_styles, read_styles
from modules.library.model_file import ModelFile
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.loading.embeddings import EmbeddingShelf
from modules.schema.flags import parse_flags
from tests.golden.cases import Case, ConditioningEntry, cases, checkpoint_path, data_dir

pytestmark = pytest.mark.golden
TOLERANCE = 1e-4        # relative; A1111 in another build differs by about 1e-5
STORED = [case for case in cases() if case.conditioning()[0]]


@functools.cache
def components() -> Components:
    torch.set_num_threads(1)
    hardware = Hardware(kind="cpu", name="test", memory_bytes=2**33, cpu_count=1, reason="a test")
    path = checkpoint_path()
    model_file = ModelFile(path=path, name=path.name, kind="checkpoint", size=path.stat().st_size)
    return load_checkpoint(model_file, policy_from_flags(parse_flags([], {}).flags, hardware))


@functools.cache
def shelf() -> EmbeddingShelf:
    paths = sorted((data_dir() / "embeddings").iterdir())
    files = [ModelFile(path=path, name=path.name, kind="embedding", sha256=_sha256(path)) for path in paths]
    return EmbeddingShelf(lambda: files)


def _sha256(path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def conditioning_of(case: Case) -> PromptConditioning:
    request, settings = case.request, case.settings
    styles = read_styles([data_dir() / "styles.csv"])
    prompt, negative_prompt, _ = apply_styles(request["prompt"], request["negative_prompt"], request.get("styles", []), styles)
    options = SamplingOptions(
        clip_skip=settings.get("CLIP_stop_at_last_layers", 1),
        emphasis=settings.get("emphasis", "Original"),
        comma_padding_backtrack=settings.get("comma_padding_backtrack", 20),
        use_old_emphasis_implementation=settings.get("use_old_emphasis_implementation", False),
        use_old_scheduling=settings.get("use_old_scheduling", False),
    )
    steps = request["steps"] * find_sampler(request["sampler_name"]).order
    size = request.get("batch_size", 1)
    return encode_prompts([prompt] * size, [negative_prompt] * size, components(), steps=steps, options=options, embeddings=shelf())


def assert_agrees(ours: list[tuple[int, int, ConditioningPart]], theirs: list[ConditioningEntry]) -> None:
    found = [(image, part, each.weight, entry.until) for image, part, each in ours for entry in each.entries]
    assert found == [(entry.image, entry.part, entry.weight, entry.until) for entry in theirs]
    tensors = [entry.tensor for _, _, each in ours for entry in each.entries]
    for tensor, entry in zip(tensors, theirs):
        stored = torch.from_numpy(entry.tensor)
        assert tensor.shape == stored.shape
        assert (tensor - stored).norm() <= TOLERANCE * stored.norm(), f"part {entry.part} until step {entry.until}"


@pytest.mark.parametrize("case", STORED, ids=str)
def test_conditioning_is_a1111s(case: Case) -> None:
    if "<lora:tiny-lora" in case.request["prompt"] and case.name != "lora-te0-unet1":
        pytest.skip("needs LoRA in the text encoder")
    conditioning = conditioning_of(case)
    positive, negative = case.conditioning()
    assert_agrees([(image, part, each) for image, parts in enumerate(conditioning.positive) for part, each in enumerate(parts)], positive)
    assert_agrees([(image, 0, each) for image, each in enumerate(conditioning.negative)], negative)


@pytest.mark.parametrize("case", STORED, ids=str)
def test_the_facts_are_those_of_its_infotext(case: Case) -> None:
    assert case.info is not None
    expected = {key: case.info["extra_generation_params"].get(key) for key in ("Emphasis", "TI hashes", "Old prompt editing timelines")}
    assert {key: conditioning_of(case).facts.get(key) for key in expected} == expected
