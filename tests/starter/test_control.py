"""The starter ControlNet is a plain SD1 ControlNet file; before it has learned anything it changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from modules.families.sd15 import SD1
from modules.library.model_file import ModelFile
from modules.loading.controlnet import load_control
from modules.starter.architecture import build_unet, predict_noise
from modules.starter.captions import is_held_out
from modules.starter.control_blend import CONNECTIONS, blend_controls
from modules.starter.control_guidance import Way, cell_weights
from modules.starter.control_training import ShownPicture, build_control, predict_with_map
from modules.starter.drawing import PICTURE_SIZE
from modules.starter.edge_pictures import edge_picture
from modules.starter.export import CONTROL, CONTROL_BYTES, export_control
from modules.starter.original_layout import fill_control
from tests.golden.stages import policy

LANDMARKS = {
    "control_model.input_hint_block.0.weight": (16, 3, 3, 3), "control_model.input_hint_block.14.weight": (64, 256, 3, 3),
    "control_model.input_blocks.0.0.weight": (64, 4, 3, 3), "control_model.zero_convs.0.0.weight": (64, 64, 1, 1), "control_model.time_embed.2.weight": (256, 256),
    "control_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight": (128, 128), "control_model.middle_block_out.0.weight": (128, 128, 1, 1),
}  # fmt: skip


def check_file(path: Path) -> None:
    assert path.stat().st_size <= CONTROL_BYTES
    with safe_open(path, "pt") as file:
        assert {name: tuple(file.get_slice(name).get_shape()) for name in LANDMARKS} == LANDMARKS
        assert all(file.get_slice(name).get_dtype() == "F16" for name in file.keys())  # noqa: SIM118
    network = load_control(ModelFile(path=path, name=path.name, kind="control"), SD1, policy())
    assert network.hint_channels == 3 and network.context_width == 128


@pytest.mark.skipif(not CONTROL.exists(), reason=f"{CONTROL.name} is not in models/ControlNet")
def test_the_shipped_file_is_of_this_architecture() -> None:
    check_file(CONTROL)


def test_it_begins_without_effect_and_is_exported_by_the_original_names(tmp_path: Path) -> None:
    torch.manual_seed(0)
    unet = build_unet().eval()
    control = build_control(unet)
    export_control(control, tmp_path / "control.safetensors")
    check_file(tmp_path / "control.safetensors")
    noisy, context, maps = torch.randn(2, 4, 12, 12), torch.randn(2, 77, 128), torch.ones(2, 3, PICTURE_SIZE, PICTURE_SIZE)
    with torch.no_grad():
        assert torch.equal(predict_with_map(unet, control, noisy, torch.tensor([500, 20]), context, maps), predict_noise(unet, noisy, torch.tensor([500, 20]), context))


def test_training_sees_no_combination_that_is_held_out_and_maps_of_the_pictures_size() -> None:
    rng = np.random.default_rng(0)
    for found in (edge_picture(rng) for _ in range(30)):
        assert not is_held_out(found.subject.object, found.subject.colour, found.subject.background)
        assert found.maps.shape == (3, PICTURE_SIZE, PICTURE_SIZE) and set(np.unique(found.maps)) <= {0, 255}


def test_an_exported_file_is_read_back_to_go_on_from(tmp_path: Path) -> None:
    torch.manual_seed(0)
    unet = build_unet().eval()
    control, again = build_control(unet), build_control(unet)
    with torch.no_grad():
        for weights in control.parameters():
            weights.add_(0.01)
    export_control(control, tmp_path / "control.safetensors")
    fill_control(again, tmp_path / "control.safetensors")
    for name, weights in control.state_dict().items():
        assert torch.equal(again.state_dict()[name], weights.half().float()), name


def test_a_blend_is_the_mean_of_its_files_with_stronger_connections(tmp_path: Path) -> None:
    torch.manual_seed(0)
    unet = build_unet().eval()
    files = [tmp_path / "1.safetensors", tmp_path / "4.safetensors"]
    for path, value in zip(files, (1.0, 4.0), strict=True):
        control = build_control(unet)
        with torch.no_grad():
            for weights in control.parameters():
                weights.fill_(value)
        export_control(control, path)
    found = blend_controls(unet, files, strength=2.0).state_dict()
    assert {float(found[name].unique()) for name in found if name.startswith(CONNECTIONS)} == {5.0}
    assert {float(found[name].unique()) for name in found if not name.startswith(CONNECTIONS)} == {2.5}


def test_a_way_that_always_foresees_the_true_latent_comes_as_near_to_it_as_sigma_says() -> None:
    rng = np.random.default_rng(0)
    latent, known = torch.randn(4, 12, 12), edge_picture(rng)
    shown = ShownPicture(latent=latent, edges=known.maps[0], known=known)
    for way in (Way.fresh(shown, rng) for _ in range(8)):
        start = (way.noisy - latent) / way.sigma
        while not way.is_done:
            way.advance(latent)
        assert torch.allclose(way.noisy, latent + way.sigma * start, atol=1e-4)


def test_cells_near_an_edge_count_more_and_all_together_as_much_as_before() -> None:
    maps = torch.zeros(1, 3, PICTURE_SIZE, PICTURE_SIZE)
    maps[:, :, 20, 20] = 1
    weights = cell_weights(maps)
    assert float(weights.mean()) == pytest.approx(1.0) and (weights > 2).nonzero()[:, 2:].tolist() == [[y, x] for y in (1, 2, 3) for x in (1, 2, 3)]
    assert weights.flatten().argmax() == 2 * 12 + 2
