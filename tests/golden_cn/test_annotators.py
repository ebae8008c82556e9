"""Preprocessors that are networks: with a file in their folder they run, whatever its weights; with a wrong file they say so."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tests.golden_cn import recorded_networks

SIZE = (64, 96)                                     # (height, width)


def picture() -> np.ndarray:
    found = np.full((*SIZE, 3), 40, dtype=np.uint8)
    found[16:48, 24:72] = (230, 60, 50)
    return found


def network(module: str, name: str, *arguments: Any, **more: Any) -> Callable[[], nn.Module]:
    def made() -> nn.Module:
        from internal_controlnet.stand_ins import network_class

        torch.manual_seed(0)
        return network_class(module, name)(*arguments, **more)

    return made


@pytest.mark.parametrize(("key", "file", "make", "wrapped"), [
    ("hed", "hed/ControlNetHED.pth", network("hed", "ControlNetHED_Apache2"), ""),
    ("pidinet_safe", "pidinet/table5_pidinet.pth", network("pidi.model", "pidinet"), "state_dict"),
    ("mlsd", "mlsd/mlsd_large_512_fp32.pth", network("mlsd.models.mbv2_mlsd_large", "MobileV2_MLSD_Large"), ""),
    ("lineart", "lineart/sk_model.pth", network("lineart", "Generator", 3, 1, 3), ""),
    ("softedge_teed", "TEED/7_model.pth", network("teed.ted", "TED"), ""),
    ("softedge_anyline", "Anyline/MTEED.pth", network("teed.ted", "TED"), ""),
])  # fmt: skip
def test_a_preprocessor_runs_with_its_file(weights_folder: Path, key: str, file: str, make: Callable[[], nn.Module], wrapped: str) -> None:
    from internal_controlnet.preprocessors import find_preprocessor

    table = {f"module.{name}" if wrapped else name: tensor for name, tensor in make().state_dict().items()}
    (weights_folder / file).parent.mkdir()
    torch.save({wrapped: table} if wrapped else table, weights_folder / file)
    preprocessor = find_preprocessor(key)
    assert preprocessor is not None
    found = preprocessor.run(picture(), 64, preprocessor.sliders[1].value, preprocessor.sliders[2].value)
    assert found.shape == (*SIZE, 3) and found.dtype == np.uint8


def depth_anything_file(path: Path) -> Any:
    """A tiny Depth Anything by the original's names, and transformers' network with the same weights."""
    from internal_controlnet.depth_networks import depth_anything, renamed
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    torch.manual_seed(0)
    backbone = Dinov2Config(hidden_size=64, num_hidden_layers=4, num_attention_heads=1, image_size=28, patch_size=14, out_indices=[1, 2, 3, 4], reshape_hidden_states=False)
    config = DepthAnythingConfig(backbone_config=backbone, reassemble_hidden_size=64, patch_size=14, neck_hidden_sizes=[8, 16, 32, 64], fusion_hidden_size=16, head_hidden_size=8)
    theirs = DepthAnythingForDepthEstimation(config).eval()
    table = {}
    for name, tensor in theirs.state_dict().items():
        table |= {original_name(name): tensor}
    for layer in range(4):
        for kind in ("weight", "bias"):
            pieces = [table.pop(f"backbone.encoder.layer.{layer}.attention.{part}_proj.{kind}") for part in "qkv"]
            table[f"pretrained.blocks.{layer}.attn.qkv.{kind}"] = torch.cat(pieces)
    torch.save(table, path)
    assert set(renamed(table)) == set(theirs.state_dict())
    return depth_anything(table, spread=False), theirs


def original_name(name: str) -> str:
    """transformers' name -> the original's, for all but query, key and value."""
    import re

    for pattern, replacement in (
        (r"^backbone\.embeddings\.(cls_token|mask_token)", r"pretrained.\1"), (r"^backbone\.embeddings\.position_embeddings", "pretrained.pos_embed"),
        (r"^backbone\.embeddings\.patch_embeddings\.projection", "pretrained.patch_embed.proj"), (r"^backbone\.layernorm", "pretrained.norm"),
        (r"^backbone\.encoder\.layer\.(\d+)\.attention\.o_proj", r"pretrained.blocks.\1.attn.proj"),
        (r"^backbone\.encoder\.layer\.(\d+)\.layer_scale(\d)\.lambda1", r"pretrained.blocks.\1.ls\2.gamma"),
        (r"^backbone\.encoder\.layer\.(\d+)\.(norm|mlp)", r"pretrained.blocks.\1.\2"),
        (r"^neck\.reassemble_stage\.layers\.(\d)\.projection", r"depth_head.projects.\1"), (r"^neck\.reassemble_stage\.layers\.(\d)\.resize", r"depth_head.resize_layers.\1"),
        (r"^head\.conv1", "depth_head.scratch.output_conv1"), (r"^head\.conv2", "depth_head.scratch.output_conv2.0"), (r"^head\.conv3", "depth_head.scratch.output_conv2.2"),
    ):  # fmt: skip
        if (found := re.sub(pattern, replacement, name)) != name:
            return found
    if found := re.match(r"neck\.convs\.(\d)\.(.*)", name):
        return f"depth_head.scratch.layer{int(found[1]) + 1}_rn.{found[2]}"
    if found := re.match(r"neck\.fusion_stage\.layers\.(\d)\.projection\.(.*)", name):
        return f"depth_head.scratch.refinenet{4 - int(found[1])}.out_conv.{found[2]}"
    if found := re.match(r"neck\.fusion_stage\.layers\.(\d)\.residual_layer(\d)\.convolution(\d)\.(.*)", name):
        return f"depth_head.scratch.refinenet{4 - int(found[1])}.resConfUnit{found[2]}.conv{found[3]}.{found[4]}"
    return name


def test_depth_anything_is_read_from_the_original_s_file(weights_folder: Path) -> None:
    from internal_controlnet.preprocessors import find_preprocessor

    (weights_folder / "depth_anything").mkdir()
    ours, theirs = depth_anything_file(weights_folder / "depth_anything/depth_anything_vitl14.pth")
    pixels = torch.rand(1, 3, 56, 70)
    with torch.no_grad():
        assert torch.equal(ours.network.eval()(pixel_values=pixels).predicted_depth, theirs(pixel_values=pixels).predicted_depth)
    preprocessor = find_preprocessor("depth_anything")
    assert preprocessor is not None
    found = preprocessor.run(picture(), 64, 0, 0)
    assert found.shape == (*SIZE, 3) and len(np.unique(found)) > 10


class BodySeer(nn.Module):
    """In place of the body's network: sees the joints of ``joints``, in cells of eight pixels of what it is shown, and the limbs between them."""

    def __init__(self, joints: dict[int, tuple[int, int]]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.joints = joints

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        height, width = (side // 8 for side in picture.shape[-2:])
        y, x = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
        heat = torch.zeros(1, 19, height, width)
        for joint, (across, down) in self.joints.items():
            heat[0, joint] = torch.exp(-((x - across) ** 2 + (y - down) ** 2) / 2)
        limbs = torch.zeros(1, 38, height, width)
        for number, (first, second) in {12: (1, 2), 14: (2, 3), 16: (3, 4), 28: (1, 0), 30: (0, 14)}.items():    # neck, shoulder, elbow, wrist; nose, eye
            if not {first, second} <= self.joints.keys():
                continue
            there = torch.tensor(self.joints[second]).float() - torch.tensor(self.joints[first]).float()
            limbs[0, number : number + 2] = (there / there.norm())[:, None, None]
        return limbs, heat


class PartSeer(nn.Module):
    """In place of the hand's and the face's networks: everything is in the middle of what it is shown."""

    def __init__(self, channels: int, *, listed: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.channels, self.listed = channels, listed

    def forward(self, picture: torch.Tensor) -> Any:
        height, width = (side // 8 for side in picture.shape[-2:])
        y, x = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
        heat = torch.exp(-((x - width / 2) ** 2 + (y - height / 2) ** 2) / 8).expand(1, self.channels, -1, -1)
        return [heat] if self.listed else heat


def test_hands_and_faces_are_looked_for_where_the_body_says(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from internal_controlnet import pose_networks, preprocessors

    joints = {1: (6, 8), 2: (10, 8), 3: (10, 13), 4: (14, 15), 0: (6, 4), 14: (5, 3)}
    seers = {"body": BodySeer(joints), "hand": PartSeer(22, listed=False), "face": PartSeer(70, listed=True)}
    monkeypatch.setattr(pose_networks, "_filled", lambda part, table: seers[part])
    pose = pose_networks.PoseNetwork("openpose_full", [{}, {}, {}]).posed(np.zeros((368, 368, 3), np.uint8))
    (person,) = pose["people"]
    hand, face = (np.array(person[name]).reshape(-1, 3)[:, :2] * 368 for name in ("hand_right_keypoints_2d", "face_keypoints_2d"))
    assert hand.shape == (21, 2) and face.shape == (70, 2) and person["hand_left_keypoints_2d"] is None
    assert hand == pytest.approx(np.tile([16 * 14 + 29, 16 * 15 + 19], (21, 1)), abs=16)   # a third of the forearm beyond the wrist
    assert np.abs(face - [16 * 6 + 8, 16 * 4 + 8]).max() < 24
    whole, alone = preprocessors.pose_drawn("openpose_full", pose), preprocessors.pose_drawn("openpose_faceonly", pose)
    assert (alone.max(axis=(0, 1)) == 255).all() and np.count_nonzero(alone) < np.count_nonzero(whole)


def test_a_person_is_found_from_what_openpose_s_network_sees(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Joints come out where the network sees them, as JSON whose drawing is the preprocessor's picture."""
    from internal_controlnet import pose_networks

    joints = {1: (6, 4), 2: (10, 4), 3: (10, 9), 4: (14, 13)}
    monkeypatch.setattr(pose_networks, "_filled", lambda part, table: BodySeer(joints))
    network = pose_networks.PoseNetwork("openpose", [{}])
    pose = network.posed(np.zeros((368, 368, 3), np.uint8))
    (person,) = pose["people"]
    points = np.array(person["pose_keypoints_2d"]).reshape(18, 3)
    assert set(np.flatnonzero(points[:, 2])) == set(joints)
    for joint, cell in joints.items():              # what it is shown has half the size: a cell is sixteen pixels
        assert points[joint, :2] * 368 == pytest.approx([16 * each + 8 for each in cell], abs=9)
    assert person["face_keypoints_2d"] is None and (pose["canvas_width"], pose["canvas_height"]) == (368, 368)
    half = pose_networks.within(pose, 368, 184)
    assert half["canvas_width"] == 184 and half["people"][0]["pose_keypoints_2d"][3] == pytest.approx(2 * points[1, 0])


def test_the_pose_networks_have_the_names_of_the_original_s_files(app: Any) -> None:
    from internal_controlnet import pose_networks

    with torch.device("meta"):
        body, hand = (getattr(pose_networks._module("model"), name)() for name in ("bodypose_model", "handpose_model"))
        file = {name.partition(".")[2]: torch.zeros(tensor.shape, device="meta") for network in (body, hand) for name, tensor in network.state_dict().items()}
        assert {"conv1_1.weight", "Mconv7_stage6_L2.bias", "Mconv7_stage6.bias"} <= set(file)
        assert isinstance(pose_networks._filled("body", {name: tensor for name, tensor in file.items() if name.partition(".")[2] or name}), nn.Module)


def test_lama_paints_the_masked_part_only(weights_folder: Path) -> None:
    from internal_controlnet.annotators import tensors_of
    from internal_controlnet.preprocessors import find_preprocessor

    preprocessor = find_preprocessor("inpaint_only+lama")
    assert preprocessor is not None and tensors_of is not None
    from internal_controlnet import annotators, preprocessors

    mask = np.zeros((*SIZE, 1), np.uint8)
    mask[20:40, 30:60] = 255
    grey = lambda _key, _files, seen, _first, _second: np.full((*seen.shape[:2], 3), 128, np.uint8)
    (weights_folder / "lama").mkdir()
    (weights_folder / "lama/ControlNetLama.pth").write_bytes(b"x")
    annotators.annotated, kept = grey, annotators.annotated
    try:
        found = preprocessor.run(np.concatenate([picture(), mask], axis=2), 0.5, 0, 0)
    finally:
        annotators.annotated = kept
    assert np.array_equal(found[:, :, 3:], mask) and np.array_equal(found[mask[:, :, 0] == 0][:, :3], picture()[mask[:, :, 0] == 0])
    assert (found[mask[:, :, 0] > 0][:, :3] == 128).all() and preprocessors.weight_folders() == [weights_folder]


def test_lama_runs_and_paints_what_the_original_paints(weights_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from internal_controlnet import annotators
    from internal_controlnet.preprocessors import published

    known = recorded_networks.recorded("inpaint_lama")
    table = recorded_networks.weights_like(known["shapes"], known["seed"])
    mask = np.zeros((64, 128, 1), np.uint8)
    mask[20:40, 30:80], mask[5:8, 5:8] = 255, 100
    (weights_folder / "ControlNetLama.pth").write_bytes(b"in its place: 200 MB")
    monkeypatch.setattr(annotators, "tensors_of", lambda path, part: table)
    shown = np.concatenate([recorded_networks.picture(), mask], axis=2)
    found = annotators.annotated("inpaint_only+lama", [weights_folder / "ControlNetLama.pth"], shown, 0, 0)
    kept = mask[:, :, 0] < 128
    assert np.abs(found.astype(int) - recorded_networks.hint(known["hint"]))[~kept].max() <= 1
    assert any(each.address.endswith("ControlNetLama.pth") for each in published())


class Brightness(nn.Module):
    """In place of a depth network, and of the one that merges: bright is far; the fine estimate is right."""

    def __init__(self, *, merges: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.merges = merges

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values[:, 1:] if self.merges else values.mean(1, keepdim=True)


@pytest.mark.parametrize("side", [96, pytest.param(512, marks=pytest.mark.long)])
def test_leres_with_its_merging_gives_one_depth_per_pixel(app: Any, side: int) -> None:
    from internal_controlnet.annotators import _as_nearness
    from internal_controlnet.leres_boost import BoostedDepth

    depth = nn.Module()
    depth.depth_model = Brightness(merges=False)
    depth.weight = nn.Parameter(torch.zeros(1))
    seen = np.full((side, side, 3), 40, np.uint8)
    seen[side // 4 : -side // 4, side // 4 : -side // 4] = 220
    with torch.inference_mode():
        found = _as_nearness(BoostedDepth(depth, Brightness(merges=True)).estimated(seen), 0, 0)
    assert found.shape == (side, side) and found[side // 2, side // 2] < 20 and found[side // 16, side // 16] > 235


def midas_names() -> Iterator[str]:
    """The tensors of dpt_hybrid-midas-501f0c75.pt, as far as they are read."""
    both, vit, scratch = ("weight", "bias"), "pretrained.model", "scratch"
    yield from (f"{vit}.cls_token", f"{vit}.pos_embed", *(f"{vit}.patch_embed.proj.{kind}" for kind in both), *(f"{vit}.norm.{kind}" for kind in both))
    root = f"{vit}.patch_embed.backbone"
    yield from (f"{root}.stem.conv.weight", *(f"{root}.stem.norm.{kind}" for kind in both))
    for stage, blocks in enumerate((3, 4, 9)):
        yield from (f"{root}.stages.{stage}.blocks.0.downsample.{part}" for part in ("conv.weight", "norm.weight", "norm.bias"))
        for block in range(blocks):
            for number in (1, 2, 3):
                yield from (f"{root}.stages.{stage}.blocks.{block}.{part}" for part in (f"conv{number}.weight", f"norm{number}.weight", f"norm{number}.bias"))
    for block in range(12):
        yield from (f"{vit}.blocks.{block}.{part}.{kind}" for part in ("norm1", "norm2", "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2") for kind in both)
    yield from (f"pretrained.act_postprocess{part}.{kind}" for part in ("3.0.project.0", "4.0.project.0", "3.3", "4.3", "4.4") for kind in both)
    for level in (1, 2, 3, 4):
        yield from (f"{scratch}.layer{level}_rn.weight", *(f"{scratch}.refinenet{level}.out_conv.{kind}" for kind in both))
        yield from (f"{scratch}.refinenet{level}.resConfUnit{unit}.conv{conv}.{kind}" for unit in (1, 2) for conv in (1, 2) for kind in both)
    yield from (f"{scratch}.output_conv.{part}.{kind}" for part in (0, 2, 4) for kind in both)


def test_midas_is_read_by_the_original_s_names_and_takes_pictures_of_any_size(app: Any) -> None:
    """The same numbers as MiDaS' own code were found once, with timm installed: the greatest difference was 6e-7."""
    from internal_controlnet.midas_network import MidasNetwork, renamed
    from transformers import DPTConfig, DPTForDepthEstimation

    with torch.device("meta"):
        network = DPTForDepthEstimation(DPTConfig(is_hybrid=True, reassemble_factors=[1, 1, 1, 0.5], neck_hidden_sizes=[256, 512, 768, 768], readout_type="project",
                                                  use_batch_norm_in_fusion_residual=False)).eval()
        assert set(renamed({name: torch.empty(3) for name in midas_names()})) == set(network.state_dict())
        assert MidasNetwork(network)(torch.empty(1, 3, 64, 128)).shape == (1, 64, 128)


def zoe_names() -> Iterator[str]:
    """The tensors of ZoeD_M12_N.pt, as far as they are read."""
    both, vit = ("weight", "bias"), "core.core.pretrained.model"
    yield from (f"{vit}.cls_token", *(f"{vit}.patch_embed.proj.{kind}" for kind in both))
    for block in (f"{vit}.blocks.{number}" for number in range(24)):
        yield from (f"{block}.{part}" for part in ("gamma_1", "gamma_2", "attn.q_bias", "attn.v_bias", "attn.qkv.weight", "attn.relative_position_bias_table"))
        yield from (f"{block}.{part}.{kind}" for part in ("norm1", "norm2", "attn.proj", "mlp.fc1", "mlp.fc2") for kind in both)
    posts = (*(f"{level}.0.project.0" for level in range(1, 5)), *(f"{level}.3" for level in range(1, 5)), "1.4", "2.4", "4.4")
    yield from (f"core.core.pretrained.act_postprocess{part}.{kind}" for part in posts for kind in both)
    yield from (f"core.core.{name}" for name in midas_names() if name.startswith("scratch."))
    ends = ("conv2", *(f"{part}._net.{place}" for part in ("seed_bin_regressor", "seed_projector", *(f"{kind}.{level}" for kind in ("projectors", "attractors")
                                                                                              for level in range(4))) for place in (0, 2)),
            "conditional_log_binomial.mlp.0", "conditional_log_binomial.mlp.2")  # fmt: skip
    yield from (f"{part}.{kind}" for part in ends for kind in both)


def test_zoedepth_is_read_by_the_original_s_names_and_looks_at_the_original_s_sizes(app: Any) -> None:
    """The same numbers as ZoeDepth's own code were found once, with timm installed: the greatest difference was 3e-7."""
    from internal_controlnet import zoe_network
    from transformers import ZoeDepthForDepthEstimation

    with torch.device("meta"):
        table = {name: torch.empty(3) for name in zoe_names()}
        found: dict[str, Any] = {}
        load = lambda self, given, assign: found.update(theirs=set(self.state_dict()), ours=set(given))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ZoeDepthForDepthEstimation, "load_state_dict", load)
            zoe_network.zoe(table)
    assert found["ours"] == found["theirs"]
    sizes = {(512, 768): (384, 576), (560, 560): (512, 512), (768, 512): (768, 512), (100, 640): (64, 512), (640, 400): (832, 512)}
    assert {size: zoe_network._fitting(*size) for size in sizes} == sizes


def test_normals_face_the_camera_where_the_depth_is_even(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from internal_controlnet.midas_network import MidasNetwork

    slope = np.tile(np.linspace(0, 60, 64, dtype=np.float32), (32, 1))
    monkeypatch.setattr(MidasNetwork, "depth", lambda self, picture: slope)
    found = MidasNetwork(nn.Identity()).normals(np.zeros((32, 64, 3), np.uint8), 0.4)
    assert found[16, 5].tolist() == [255, 127, 127] and found[16, 50, 2] > 140 and MidasNetwork(nn.Identity()).drawn(np.zeros((32, 64, 3), np.uint8))[0].tolist()[::63] == [0, 255]


def test_a_manga_s_lines_are_the_original_s(weights_folder: Path) -> None:
    from internal_controlnet.preprocessors import find_preprocessor

    known = recorded_networks.recorded("lineart_anime_denoise")
    (weights_folder / "manga_line").mkdir()
    torch.save(recorded_networks.weights_like(known["shapes"], known["seed"], {"conv15.model.2.weight": 8}), weights_folder / "manga_line/erika.pth")
    preprocessor = find_preprocessor("lineart_anime_denoise")
    assert preprocessor is not None
    found = preprocessor.run(recorded_networks.picture(), 64, 0, 0)
    assert np.abs(found[:, :, 0].astype(int) - recorded_networks.hint(known["hint"])).max() <= 1


def test_dsine_s_normals_are_the_original_s(weights_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from internal_controlnet import annotators
    from internal_controlnet.dsine_network import NormalNetwork
    from internal_controlnet.preprocessors import find_preprocessor

    known = recorded_networks.recorded("normal_dsine")
    encoder = {f"encoder.{name}": list(tensor.shape) for name, tensor in NormalNetwork(64, 8).encoder.state_dict().items()}
    table = recorded_networks.weights_like({**encoder, **known["shapes"]}, known["seed"], known["louder"])
    (weights_folder / "normal_dsine").mkdir()
    (weights_folder / "normal_dsine/dsine.pt").write_bytes(b"in its place: 290 MB")
    monkeypatch.setattr(annotators, "tensors_of", lambda path, part: table)
    preprocessor = find_preprocessor("normal_dsine")
    assert preprocessor is not None
    found = preprocessor.run(recorded_networks.picture(), 64, 60, 5)
    assert np.abs(found.astype(int) - recorded_networks.hint(known["hint"])).max() <= 1
    assert preprocessor.run(recorded_networks.picture(100, 150), 64, 0, 1).shape == (64, 96, 3)        # a field of view of nothing, too


def test_a_file_that_is_something_else_is_named(app: Any, weights_folder: Path) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from modules.a1111 import callbacks

    (weights_folder / "hed").mkdir()
    torch.save({"x": torch.zeros(1)}, weights_folder / "hed/ControlNetHED.pth")
    server, png = FastAPI(), io.BytesIO()
    callbacks.app_started_callback(None, server)
    Image.fromarray(picture()).save(png, "PNG")
    answer = TestClient(server).post("/controlnet/detect", json={"controlnet_module": "hed", "controlnet_input_images": [base64.b64encode(png.getvalue()).decode()]})
    assert answer.status_code == 422 and "ControlNetHED.pth" in answer.json()["detail"] and "Download the file again" in answer.json()["detail"]
