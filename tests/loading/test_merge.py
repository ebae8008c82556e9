"""Merged checkpoints: A1111's formulas in float32, its rules for other shapes and names, and little memory."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from modules.loading.merge import MergeRecipe, opened_merge
from modules.loading.weights import SafetensorsWeights
from modules.schema.errors import CannotLoad, InvalidValue
from tests.loading.files import golden_tensors, listed, pickled, vae_tensors

INPUT = "model.diffusion_model.input_blocks.0.0.weight"
IDS = "cond_stage_model.transformer.text_model.embeddings.position_ids"


def model(path: Path, seed: int, *, channels: int = 4, dtype: torch.dtype = torch.float32, **more: Tensor) -> Path:
    """A few tensors under a checkpoint's names."""
    random = torch.Generator().manual_seed(seed)
    table = {
        INPUT: torch.randn(8, channels, 3, 3, generator=random).to(dtype),
        "model.diffusion_model.out.2.bias": torch.randn(4, generator=random).to(dtype),
        "first_stage_model.decoder.conv_in.weight": torch.randn(4, 4, 3, 3, generator=random).to(dtype),
        "betas": torch.randn(10, generator=random),
        IDS: torch.arange(77)[None] + seed,
        **more,
    }
    save_file(table, path, metadata={"format": "pt"})
    return path


def merged(path: Path, metadata: Mapping[str, str] | None = None, **recipe: Any) -> dict[str, Tensor]:
    with opened_merge(MergeRecipe(**recipe)) as merge, open(path, "wb") as file:
        merge.write_safetensors(file, metadata or {}, lambda done, total: None)
    return load_file(path)


def test_the_formulas(tmp_path: Path) -> None:
    paths = [model(tmp_path / f"{n}.safetensors", n) for n in (1, 2, 3)]
    a, b, c = map(load_file, paths)
    first, second, third = map(listed, paths)
    out = tmp_path / "out.safetensors"
    weighted = merged(out, primary=first, secondary=second, method="Weighted sum", multiplier=0.3)
    added = merged(tmp_path / "added.safetensors", primary=first, secondary=second, tertiary=third, method="Add difference", multiplier=0.5)
    plain = merged(tmp_path / "plain.safetensors", primary=first, method="No interpolation")
    for name in (INPUT, "first_stage_model.decoder.conv_in.weight"):
        assert torch.allclose(weighted[name], 0.7 * a[name] + 0.3 * b[name], atol=1e-6)
        assert torch.allclose(added[name], a[name] + 0.5 * (b[name] - c[name]), atol=1e-6)
    for result in (weighted, added, plain):
        assert torch.equal(result["betas"], a["betas"]) and torch.equal(result[IDS], a[IDS])
        assert sorted(result) == sorted(a)
    assert all(torch.equal(plain[name], a[name]) for name in a)


def test_multiplier_0_gives_a_and_1_gives_b(tmp_path: Path) -> None:
    one, two = (listed(model(tmp_path / f"{n}.safetensors", n)) for n in (1, 2))
    for multiplier, source in ((0.0, one), (1.0, two)):
        result = merged(tmp_path / f"{multiplier}.safetensors", primary=one, secondary=two, multiplier=multiplier)
        assert torch.equal(result[INPUT], load_file(source.path)[INPUT])


def test_half_files_are_summed_in_float32(tmp_path: Path) -> None:
    paths = [model(tmp_path / f"{n}.safetensors", n, dtype=torch.float16) for n in (1, 2)]
    a, b = (load_file(path)[INPUT].double() for path in paths)
    result = merged(tmp_path / "out.safetensors", primary=listed(paths[0]), secondary=listed(paths[1]), multiplier=0.3)[INPUT]
    assert result.dtype == torch.float16
    assert torch.equal(result, (0.7 * a + 0.3 * b).float().half())


def test_half_precision_is_written_and_numbers_that_are_whole_stay(tmp_path: Path) -> None:
    path = model(tmp_path / "a.safetensors", 1)
    result = merged(tmp_path / "out.safetensors", {"format": "pt", "note": "üñ"}, primary=listed(path), method="No interpolation", half=True)
    assert {str(tensor.dtype) for tensor in result.values()} == {"torch.float16", "torch.int64"}
    with safe_open(tmp_path / "out.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt", "note": "üñ"}


def test_an_inpainting_model_takes_a_normal_one_into_its_first_channels(tmp_path: Path) -> None:
    painted, normal = model(tmp_path / "paint.safetensors", 1, channels=9), model(tmp_path / "normal.safetensors", 2)
    a, b = load_file(painted)[INPUT], load_file(normal)[INPUT]
    recipe = {"primary": listed(painted), "secondary": listed(normal), "multiplier": 0.25}
    result = merged(tmp_path / "out.safetensors", **recipe)[INPUT]
    assert torch.allclose(result[:, :4], 0.75 * a[:, :4] + 0.25 * b, atol=1e-6) and torch.equal(result[:, 4:], a[:, 4:])
    with opened_merge(MergeRecipe(**recipe)) as merge:
        assert merge.plan.picture_kind == "inpainting"
    with pytest.raises(InvalidValue, match="A must be the inpainting model"), opened_merge(MergeRecipe(primary=listed(normal), secondary=listed(painted))):
        pass


def test_other_shapes_are_refused_with_both_of_them(tmp_path: Path) -> None:
    one = model(tmp_path / "one.safetensors", 1)
    other = model(tmp_path / "other.safetensors", 2, **{"model.diffusion_model.out.2.bias": torch.zeros(6)})
    with pytest.raises(InvalidValue, match=r"out\.2\.bias is 4 in A and 6 in B"), opened_merge(MergeRecipe(primary=listed(one), secondary=listed(other))):
        pass
    with pytest.raises(InvalidValue, match=r"\(B\) and .* \(C\) do not fit"), opened_merge(
            MergeRecipe(primary=listed(one), secondary=listed(one), tertiary=listed(other), method="Add difference")):
        pass
    stranger = tmp_path / "stranger.safetensors"
    save_file({"x": torch.zeros(2)}, stranger)
    with pytest.raises(InvalidValue, match="no tensor in common"), opened_merge(MergeRecipe(primary=listed(one), secondary=listed(stranger))):
        pass


def test_weights_are_discarded_and_a_vae_is_baked_in(tmp_path: Path) -> None:
    whole = tmp_path / "whole.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in golden_tensors().items()}, whole)
    vae = tmp_path / "other.vae.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in vae_tensors(3.0).items()}, vae)
    result = merged(
        tmp_path / "out.safetensors", primary=listed(whole), method="No interpolation", vae=listed(vae, "vae"), discard=r"^model_ema|position_ids$|betas")
    name = "first_stage_model.decoder.conv_out.weight"
    assert torch.allclose(result[name], golden_tensors()[name] * 3)
    assert not [each for each in result if each.endswith("position_ids")]
    with pytest.raises(InvalidValue, match="leave nothing"), opened_merge(MergeRecipe(primary=listed(whole), method="No interpolation", discard=".")):
        pass
    with pytest.raises(InvalidValue, match="regular expression"):
        MergeRecipe(primary=listed(whole), method="No interpolation", discard="(")
    save_file({"x": torch.zeros(2)}, tmp_path / "x.safetensors")
    with pytest.raises(CannotLoad, match="no VAE"), opened_merge(
            MergeRecipe(primary=listed(whole), method="No interpolation", vae=listed(tmp_path / "x.safetensors", "vae"))):
        pass


def test_a_pickle_can_be_merged_and_written(tmp_path: Path) -> None:
    safe = model(tmp_path / "a.safetensors", 1)
    table = load_file(model(tmp_path / "b.safetensors", 2))
    old = pickled(tmp_path / "old.ckpt", {"state_dict": table})
    buffer = io.BytesIO()
    with opened_merge(MergeRecipe(primary=listed(safe), secondary=listed(old), multiplier=0.5)) as merge:
        merge.write_ckpt(buffer, lambda done, total: None)
    buffer.seek(0)
    result = torch.load(buffer, weights_only=True)
    assert torch.allclose(result[INPUT], (load_file(safe)[INPUT] + table[INPUT]) / 2, atol=1e-6)


def test_only_a_few_tensors_are_in_memory_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors that were read and not yet let go, counted while the result is written."""
    import weakref

    alive: weakref.WeakSet[Tensor] = weakref.WeakSet()
    most = 0
    read = SafetensorsWeights.read

    def counted(self: SafetensorsWeights, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
        nonlocal most
        tensor = read(self, name, dtype, device)
        alive.add(tensor)
        most = max(most, len(alive))
        return tensor

    monkeypatch.setattr(SafetensorsWeights, "read", counted)
    more = {f"model.diffusion_model.middle_block.{n}.weight": torch.randn(5, 5) for n in range(40)}
    one, two = model(tmp_path / "1.safetensors", 1, **more), model(tmp_path / "2.safetensors", 2, **more)
    merged(tmp_path / "out.safetensors", primary=listed(one), secondary=listed(two), tertiary=listed(two), method="Add difference")
    assert most <= 4
