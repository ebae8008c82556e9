"""Every stored text encoder output of A1111 against ours: same schedule boundaries, AND weights and tensors."""

from __future__ import annotations

import functools

import pytest
import torch

from modules.compute.hardware import Hardware
from modules.compute.policy import policy_from_flags
from modules.engine.adapters import ActiveNetworks, NetworkSwitch
from modules.engine.conditioning import ConditioningPart, PromptConditioning
from modules.engine.encode_prompt import encode_prompts
from modules.engine.extra_networks import take_out_tags
from modules.engine.resolved import SamplingOptions
from modules.engine.sampler_registry import find_sampler
from modules.engine.styles import apply_styles, read_styles
from modules.library.model_file import ModelFile
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.loading.embeddings import EmbeddingShelf
from modules.loading.lora import LoraShelf
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


@functools.cache
def loras() -> LoraShelf:
    path = data_dir() / "models/Lora/tiny-lora.safetensors"
    return LoraShelf(lambda: [ModelFile(path=path, name=path.name, kind="lora")])


def conditioning_of(case: Case) -> tuple[PromptConditioning, ActiveNetworks]:
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
    with NetworkSwitch(components(), loras()) as switch:
        networks = switch.use(take_out_tags(prompt)[1])
        conditioning = encode_prompts([prompt] * size, [negative_prompt] * size, components(), steps=steps, options=options,
                                      embeddings=shelf(), networks=networks.text_key)
    return conditioning, networks


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
    conditioning, _ = conditioning_of(case)
    positive, negative = case.conditioning()
    assert_agrees([(image, part, each) for image, parts in enumerate(conditioning.positive) for part, each in enumerate(parts)], positive)
    assert_agrees([(image, 0, each) for image, each in enumerate(conditioning.negative)], negative)


@pytest.mark.parametrize("case", STORED, ids=str)
def test_the_facts_are_those_of_its_infotext(case: Case) -> None:
    assert case.info is not None
    theirs = case.info["extra_generation_params"]
    conditioning, networks = conditioning_of(case)
    ours = {**networks.facts, **conditioning.facts}
    for key in ("Emphasis", "Lora hashes", "TI hashes", "Old prompt editing timelines"):
        assert ours.get(key) == theirs.get(key)


def test_only_the_missing_lora_is_spoken_of() -> None:
    said = {case.name: conditioning_of(case)[1].comments for case in STORED}
    assert [name for name, comments in said.items() if comments] == ["lora-missing"]
    assert "'does-not-exist' was not found" in said["lora-missing"][0]
