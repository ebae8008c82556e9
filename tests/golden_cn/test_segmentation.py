"""Segmentations: the original's files run, and what they show is what the original's own networks showed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.golden_cn.recorded_networks import hint, picture, recorded, weights_like

FILES = {"oneformer_ade20k": "oneformer/250_16_swin_l_oneformer_ade20k_160k.pth", "oneformer_coco": "oneformer/150_16_swin_l_oneformer_coco_100ep.pth"}
KINDS = {"oneformer_ade20k": 150, "oneformer_coco": 133}
LOUDER = {"query_embed": 8.0, "class_embed.weight": 8.0, "mask_features.bias": 0.0}


def hint_of(key: str, resolution: int = 64, shown: np.ndarray | None = None) -> np.ndarray:
    from internal_controlnet.preprocessors import find_preprocessor

    preprocessor = find_preprocessor(key)
    assert preprocessor is not None
    return preprocessor.run(picture() if shown is None else shown, resolution, preprocessor.sliders[1].value, preprocessor.sliders[2].value)


@pytest.mark.parametrize("key", FILES)
def test_oneformer_s_kinds_are_the_original_s(weights_folder: Path, key: str) -> None:
    from internal_controlnet.segment_networks import oneformer

    network = recorded("oneformer")
    known = network["hints"][key]
    shapes = network["shapes"] | {f"sem_seg_head.predictor.class_embed.{kind}": [KINDS[key] + 1, *more] for kind, more in (("weight", [64]), ("bias", []))}
    table = weights_like(shapes, known["seed"], LOUDER)
    with torch.no_grad():
        kinds = oneformer(key, table).eval().kinds(picture())
    assert (kinds != hint(known["kinds"])).mean() < 0.001
    (weights_folder / FILES[key]).parent.mkdir()
    torch.save({"model": {**table, "text_encoder.positional_embedding": torch.zeros(2)}, "iteration": 1}, weights_folder / FILES[key])
    difference = np.abs(hint_of(key).astype(int) - hint(known["hint"])).max(axis=2)
    assert (difference > 16).mean() < 0.01          # edges are softened by another program


def test_uniformer_s_kinds_are_the_original_s(weights_folder: Path) -> None:
    known = recorded("segmentation")
    (weights_folder / "uniformer").mkdir()
    table = weights_like(known["shapes"], known["seed"], {"conv_seg.bias": 5.0})
    torch.save({"meta": {"epoch": 1}, "state_dict": table}, weights_folder / "uniformer/upernet_global_small.pth")
    assert (hint_of("segmentation") != hint(known["hint"])).mean() < 0.001


def test_the_parts_of_an_anime_face_are_the_original_s(weights_folder: Path) -> None:
    from internal_controlnet.anime_networks import _PARTS, face_parts

    known = recorded("anime_face_segment")
    table = weights_like(known["shapes"], known["seed"])
    with torch.no_grad():
        kinds = face_parts(table).eval().kinds(picture())
    assert (kinds[::8, ::8] != hint(known["kinds"])).mean() < 0.001
    (weights_folder / "anime_face_segment").mkdir()
    torch.save({f"module.{name}": tensor for name, tensor in table.items()}, weights_folder / "anime_face_segment/UNet.pth")
    shown = hint_of("anime_face_segment")
    assert shown.shape == (64, 128, 3) and {tuple(each) for each in shown.reshape(-1, 3)} <= {tuple(each) for each in _PARTS}


def test_segment_anything_s_areas_are_the_original_s(weights_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from internal_controlnet import anything_network

    known = recorded("mobile_sam")
    (weights_folder / "mobile_sam").mkdir()
    torch.save(weights_like(known["shapes"], known["seed"], known["louder"]), weights_folder / "mobile_sam/mobile_sam.pt")
    whole = anything_network.AnythingNetwork.areas
    monkeypatch.setattr(anything_network.AnythingNetwork, "areas", lambda self, shown: whole(self, shown, points=3))
    np.random.seed(5)
    found = hint_of("mobile_sam", shown=picture(100, 140))
    assert found.shape == (64, 64, 3) and (found != hint(known["hint"])).any(axis=2).mean() < 0.005


def test_of_areas_that_overlap_the_surest_stays(app: Any) -> None:
    from internal_controlnet.anything_network import _distinct

    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30], [0, 0, 10, 4]])
    assert _distinct(boxes, torch.tensor([0.5, 0.9, 0.1, 0.2]), torch.zeros(4), 0.7).tolist() == [1, 3, 2]


def test_what_encloses_others_lies_below_and_what_is_whole_has_an_outline(app: Any) -> None:
    from internal_controlnet.segment_colours import ADE, outlined

    kinds = np.zeros((40, 60), int)
    kinds[10:30, 5:25] = 1
    kinds[(np.mgrid[:40, :60][0] - 20) ** 2 + (np.mgrid[:40, :60][1] - 40) ** 2 < 100] = 2
    kinds[3, 3] = 4
    found = outlined(kinds, ADE)
    assert found[0, 0].tolist() == ADE[0].tolist() and found[20, 15].tolist() == ADE[1].tolist() and found[20, 40].tolist() == ADE[2].tolist()
    assert found[20, 31].tolist() == [255, 255, 240] == found[10, 15].tolist()                  # the outlines
    assert found[3, 3].tolist() == [255, 255, 255]                                              # too small to be drawn
