"""Units with the kinds of networks that the stored cases have none of, from request to picture, with tiny random weights."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.application.generation import generate_blocking
from modules.families.sdxl import SDXL
from modules.imaging.base64_codec import encode_image
from modules.library.header import read_header
from modules.loading.unet_layout import unet_config
from modules.schema.errors import WebuiError
from modules.schema.request import Txt2ImgRequest
from tests.families.tiny import checkpoint_of
from tests.golden.stages import components
from tests.golden_cn import stored
from tests.golden_cn.face_files import write_finder, write_teller
from tests.golden_cn.make_controlnet import controlnet
from tests.loading.test_control_networks import FACE, INSTANT, drawn, image_adapter, randomised, saved, vision_module

SIZE = {"width": 32, "height": 48, "steps": 2, "seed": 5, "cfg_scale": 5.0}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from diffusers.models.adapter import T2IAdapter

    folder = tmp_path_factory.mktemp("kinds")
    control = folder / "control"
    control.mkdir()
    saved(control / "ip-tiny.safetensors", image_adapter("base", components().unet, 64, 48, 4))
    saved(control / "faceid-tiny.safetensors", image_adapter("face", components().unet, 64, 48, 4))
    saved(control / "faceid-plusv2-tiny.safetensors", image_adapter("face-plus", components().unet, 64, 64, 4))
    saved(control / "pulid-tiny.safetensors", {"image_proj.mapping_0.0.weight": drawn(4, 4), "ip_adapter.1.to_k_ip.weight": drawn(4, 4)})
    saved(control / "ip-xl.safetensors", {"image_proj.proj.weight": drawn(8, 4), "ip_adapter.1.to_k_ip.weight": drawn(4, 2048)})
    saved(control / "light-tiny.safetensors", randomised(T2IAdapter(channels=[32, 64, 64], num_res_blocks=4, adapter_type="light_adapter")).state_dict())
    saved(control / "instant_id-adapter.safetensors", image_adapter("plus", components().unet, 64, INSTANT, 4))
    saved(control / "instant_id-control.safetensors", {name: tensor.float() for name, tensor in controlnet("canny").items()})
    checkpoint = checkpoint_of("SDXL", folder)
    saved(control / "union-tiny.safetensors", fitting_union(checkpoint).state_dict())
    with stored.server(folder / "data", "--controlnet-dir", str(control), "--ckpt-dir", str(folder)) as app:
        app.settings.update({"control_net_modules_path": str(folder / "encoders")})
        yield app, checkpoint.name, folder / "encoders" / "clip_vision"


def fitting_union(checkpoint: Path) -> Any:
    """Of the sizes of that checkpoint's UNet; it knows six kinds of hints."""
    from diffusers.models.controlnets.controlnet_union import ControlNetUnionModel

    config = unet_config(checkpoint, read_header(checkpoint).shapes, SDXL)
    same = ("down_block_types", "block_out_channels", "layers_per_block", "transformer_layers_per_block", "cross_attention_dim", "use_linear_projection",
            "addition_embed_type", "addition_time_embed_dim", "projection_class_embeddings_input_dim")
    width = config["block_out_channels"][0]
    return randomised(ControlNetUnionModel(**{name: config[name] for name in same}, attention_head_dim=8, conditioning_embedding_out_channels=(16, 32, 32, 32),
                                           num_control_type=6, num_trans_channel=width, num_proj_channel=width))


def scene(*, dark: bool = False) -> str:
    pixels = np.zeros((96, 64, 3), np.uint8) if dark else np.tile(np.arange(64, dtype=np.uint8)[None, :, None] * 4, (96, 1, 3))
    return encode_image(Image.fromarray(pixels))


def made(app: Any, *units: dict[str, Any], **more: Any) -> np.ndarray:
    request = {"prompt": "a red circle", **SIZE, **more}
    if units:
        request["alwayson_scripts"] = {"controlnet": {"args": [{"enabled": True, "image": scene(), **unit} for unit in units]}}
    return np.asarray(generate_blocking(app, Txt2ImgRequest.from_flat(request)).images[0].picture).astype(int)


def write_face_files(encoders: Path) -> None:
    """Of FaceID and InstantID, for pictures as ``scene`` is."""
    folder = encoders.parent / "insightface/models"
    write_finder(folder / "buffalo_l/det_10g.onnx", 96, (8, 16, 40))
    write_teller(folder / "buffalo_l/w600k_r50.onnx", FACE)
    write_finder(folder / "antelopev2/scrfd_10g_bnkps.onnx", 768, (128, 192, 256))
    write_teller(folder / "antelopev2/glintr100.onnx", INSTANT)


def test_an_image_prompt_from_request_to_picture(app: Any) -> None:
    app, _, encoders = app
    unit = {"module": "ip-adapter-auto", "model": "ip-tiny"}
    with pytest.raises(WebuiError, match="trained for SDXL"):
        made(app, {**unit, "model": "ip-xl"})       # said before any file is asked for
    with pytest.raises(WebuiError, match=r"clip_h\.pth.*huggingface\.co/h94"):
        made(app, unit)
    encoders.mkdir(parents=True)
    saved(encoders / "clip_h.safetensors", vision_module().state_dict())
    plain, shown = made(app), made(app, unit)
    assert np.abs(shown - plain).mean() > 1
    assert np.array_equal(made(app, {**unit, "weight": 0.0}), plain)
    assert np.array_equal(made(app, {**unit, "low_vram": True}, {**unit, "enabled": False}), shown)
    both = [scene(), scene(dark=True)]
    merged = made(app, {**unit, "input_mode": "merge", "image": [{"image": each} for each in both]})
    assert not np.array_equal(merged, shown)
    with pytest.raises(WebuiError, match="looks at the picture through CLIP"):
        made(app, {"module": "canny", "model": "ip-tiny"})
    with pytest.raises(WebuiError, match="PuLID adapter, which this version does not run"):
        made(app, {"module": "ip-adapter-auto", "model": "pulid-tiny"})
    with pytest.raises(WebuiError, match="does not look at the picture"):
        made(app, {"module": "ip-adapter-auto", "model": "light-tiny"})


def test_a_face_from_request_to_picture(app: Any) -> None:
    app, _, encoders = app
    unit = {"module": "ip-adapter-auto", "model": "faceid-tiny"}
    shutil.rmtree(encoders.parent / "insightface", ignore_errors=True)
    with pytest.raises(WebuiError, match=r"det_10g\.onnx and w600k_r50\.onnx"):
        made(app, unit)
    write_face_files(encoders)
    plain, shown = made(app), made(app, unit)
    assert np.abs(shown - plain).mean() > 1
    assert np.array_equal(made(app, {**unit, "module": "ip-adapter_face_id"}), shown)
    assert not np.array_equal(made(app, {**unit, "image": encode_image(Image.new("RGB", (64, 96), "red"))}), shown), "another face"
    plus = made(app, {**unit, "model": "faceid-plusv2-tiny"})
    assert np.abs(plus - plain).mean() > 1 and np.array_equal(made(app, {"module": "ip-adapter_face_id_plus", "model": "faceid-plusv2-tiny"}), plus)
    with pytest.raises(WebuiError, match="reads whose face it is"):
        made(app, {**unit, "module": "ip-adapter_clip_sd15"})
    with pytest.raises(WebuiError, match="does not read faces"):
        made(app, {"module": "ip-adapter_face_id", "model": "ip-tiny"})


def test_instant_id_from_request_to_picture(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two units: who it is, for the checkpoint and the ControlNet; where the face goes, for the ControlNet, which reads no prompt."""
    from modules.loading.control_network import ControlNetwork

    app, _, encoders = app
    who = {"module": "instant_id_face_embedding", "model": "instant_id-adapter"}
    where = {"module": "instant_id_face_keypoints", "model": "instant_id-control"}
    shutil.rmtree(encoders.parent / "insightface", ignore_errors=True)
    with pytest.raises(WebuiError, match=r"scrfd_10g_bnkps\.onnx and glintr100\.onnx"):
        made(app, who, where)
    write_face_files(encoders)
    heard: list[Any] = []
    call = ControlNetwork.__call__
    monkeypatch.setattr(ControlNetwork, "__call__", lambda self, x, timesteps, context, *more: heard.append(context) or call(self, x, timesteps, context, *more))

    def read(*units: dict[str, Any], **more: Any) -> tuple[np.ndarray, Any]:
        heard.clear()
        return made(app, *units, **more), heard[0]

    picture, context = read(who, where)
    assert np.abs(picture - made(app)).mean() > 1 and not np.array_equal(picture, made(app, who))
    assert context.shape[1:] == (4, 64), "the adapter's tokens, in place of the prompt's"
    assert np.array_equal(read(who, where, prompt="a blue square")[1], context)
    other = {**who, "image": encode_image(Image.new("RGB", (64, 96), "red"))}
    assert not np.array_equal(read(other, where)[1], context) and not np.array_equal(made(app, other, where), picture)
    assert np.array_equal(made(app, {**who, "module": "ip-adapter-auto"}, where), picture) and np.array_equal(made(app, {**who, "low_vram": True}, {**where, "low_vram": True}), picture)
    assert np.array_equal(read({**who, "guidance_end": 0.0}, where)[1], context), "also where the adapter itself is over"
    first = {**who, "hr_option": "Low res only"}
    hires = {"enable_hr": True, "hr_scale": 2.0, "denoising_strength": 0.5, "hr_upscaler": "Latent"}
    read(first, where, **hires)
    assert len(heard) > 2 and all(np.array_equal(each, context) for each in heard)
    for units in ([where], [where, who], [{"module": "none", "model": "instant_id-control"}, where]):
        with pytest.raises(WebuiError, match=r"from the unit before it.*instant_id_face_embedding"):
            made(app, *units)
    with pytest.raises(WebuiError, match=r"whose face it is.*instant_id_face_embedding.*control_instant_id_sdxl"):
        made(app, who, {**where, "model": who["model"]})
    with pytest.raises(WebuiError, match=r"where the face goes.*instant_id_face_keypoints"):
        made(app, {**who, "model": where["model"]})
    for model in ("ip-tiny", "faceid-tiny"):
        with pytest.raises(WebuiError, match="does not read faces"):
            made(app, {**who, "model": model})
    with pytest.raises(WebuiError, match=r"does not read faces.*the preprocessor instant_id_face_embedding"):
        made(app, {**who, "module": "ip-adapter_face_id"})


def test_whose_face_it_is_can_be_sent_instead_of_the_picture(app: Any) -> None:
    app, _, encoders = app
    write_face_files(encoders)
    from internal_controlnet.routes import detect  # pyright: ignore[reportMissingImports]

    for module, model in (("instant_id_face_embedding", "instant_id-adapter"), ("ip-adapter_face_id", "faceid-tiny")):
        (text,) = detect(controlnet_module=module, controlnet_input_images=[scene()], controlnet_processor_res=-1, controlnet_threshold_a=-1, controlnet_threshold_b=-1,
                         controlnet_masks=[], low_vram=False)["tensor"]
        unit = {"module": module, "model": model}
        assert np.array_equal(made(app, {**unit, "image": None, "ipadapter_input": [text]}), made(app, unit))
        with pytest.raises(WebuiError, match="whose face it is"):
            made(app, {"module": "ip-adapter_clip_sd15", "model": "ip-tiny", "ipadapter_input": [text]})


def test_a_light_adapter_acts(app: Any) -> None:
    app, _, _ = app
    assert np.abs(made(app, {"module": "none", "model": "light-tiny"}) - made(app)).mean() > 1


def test_what_clip_saw_can_be_sent_instead_of_the_picture(app: Any) -> None:
    """The text that /controlnet/detect answers."""
    app, _, _ = app
    from internal_controlnet.routes import detect  # pyright: ignore[reportMissingImports]

    unit = {"module": "ip-adapter_clip_sd15", "model": "ip-tiny"}
    (text,) = detect(controlnet_module="ip-adapter_clip_sd15", controlnet_input_images=[scene()], controlnet_processor_res=-1, controlnet_threshold_a=-1,
                     controlnet_threshold_b=-1, controlnet_masks=[], low_vram=False)["tensor"]
    assert np.array_equal(made(app, {**unit, "image": None, "ipadapter_input": [text]}), made(app, unit))
    with pytest.raises(WebuiError, match="ipadapter_input"):
        made(app, {**unit, "ipadapter_input": ["bm90aGluZw=="]})


@pytest.mark.long
def test_a_union_network_takes_its_kind_from_the_unit_and_revision_speaks_for_the_prompt(app: Any) -> None:
    app, checkpoint, encoders = app
    sdxl = {"override_settings": {"sd_model_checkpoint": checkpoint}}
    plain = made(app, **sdxl)
    edges, depth = ({"module": "none", "model": "union-tiny", "union_control_type": kind} for kind in ("Hard Edge", "Depth"))
    shown = made(app, edges, **sdxl)
    assert np.abs(shown - plain).mean() > 1
    assert not np.array_equal(made(app, depth, **sdxl), shown)
    assert not np.array_equal(made(app, edges, depth, **sdxl), shown)
    with pytest.raises(WebuiError, match="knows 6 kinds"):
        made(app, {"module": "tile_resample", "model": "union-tiny"}, **sdxl)
    with pytest.raises(WebuiError, match="made for checkpoints of other sizes"):
        made(app, edges)                            # an SD1 checkpoint
    encoders.mkdir(parents=True, exist_ok=True)
    saved(encoders / "clip_g.safetensors", vision_module().state_dict())
    revised = {"module": "revision_clipvision", "model": "None", "threshold_a": 0.0}
    assert not np.array_equal(made(app, revised, **sdxl), plain)
    assert np.array_equal(made(app, {**revised, "module": "revision_ignore_prompt"}, prompt="anything else", **sdxl), made(app, {**revised, "module": "revision_ignore_prompt"}, **sdxl))
    with pytest.raises(WebuiError, match="SDXL"):
        made(app, revised)
