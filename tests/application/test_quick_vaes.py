"""TAESD and VAE-approx: used where their files lie, asked for by name and address where they do not, never downloaded."""
from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from modules.application.build import build_app
from modules.engine.preview import NetworkPainter
from modules.families.family import LatentFormat
from modules.families.table import FAMILIES
from modules.loading.quick_vae import load_quick_decoder, load_quick_encoder
from modules.schema.errors import CannotLoad
from modules.schema.flags import parse_flags
from tests.conftest import RunningServer, serve
from tests.families.tiny import checkpoint_of

FORM = LatentFormat(channels=4, downscale=8, scale=0.18215, tiny="taesd", approximation="model.pt")
PLACE: dict[str, Any] = {"device": "cpu", "dtype": "float32"}


def tiny_vae(channels: int = 4) -> AutoencoderTiny:
    torch.manual_seed(3)
    return AutoencoderTiny(latent_channels=channels).eval()


def as_published(vae: AutoencoderTiny, half: str) -> dict[str, Tensor]:
    """Its makers number the layers of each half; the decoder's first one is a clamp without weights."""
    state = getattr(vae, half).layers.state_dict()
    shift = 1 if half == "decoder" else 0
    return {f"{int(name.split('.')[0]) + shift}.{name.split('.', 1)[1]}": tensor for name, tensor in state.items()}


@torch.no_grad()
def test_both_halves_of_taesd_are_diffusers(tmp_path: Path) -> None:
    vae: Any = tiny_vae()
    z, x = torch.randn(1, 4, 6, 5), torch.rand(1, 3, 48, 40) * 2 - 1
    for half in ("decoder", "encoder"):
        torch.save(as_published(vae, half), tmp_path / f"taesd_{half}.pth")
    save_file({f"decoder.layers.{name}": tensor for name, tensor in vae.decoder.layers.state_dict().items()}, tmp_path / "taesd_decoder.safetensors")
    for name in ("taesd_decoder.pth", "taesd_decoder.safetensors"):
        assert torch.allclose(load_quick_decoder(tmp_path / name, FORM, **PLACE)(z), vae.decode(z).sample, atol=1e-5)
    assert torch.allclose(load_quick_encoder(tmp_path / "taesd_encoder.pth", FORM, **PLACE)(x), vae.encode(x).latents, atol=1e-5)
    with pytest.raises(CannotLoad, match="4 channels"):
        load_quick_decoder(tmp_path / "taesd_decoder.pth", LatentFormat(channels=16, downscale=8, scale=1.0), **PLACE)


@torch.no_grad()
def test_vae_approx_is_its_convolutions(tmp_path: Path) -> None:
    """Eight of them, the first over seven by seven cells, each followed by a leaky rectifier."""
    torch.manual_seed(4)
    widths, sides = (4, 8, 16, 32, 64, 32, 16, 8, 3), (7, 5, 3, 3, 3, 3, 3, 3)
    layers = [nn.Conv2d(inner, outer, side) for inner, outer, side in zip(widths, widths[1:], sides)]
    torch.save({f"conv{number}.{name}": tensor for number, layer in enumerate(layers, 1) for name, tensor in layer.state_dict().items()}, tmp_path / "model.pt")
    z = torch.randn(1, 4, 6, 5)
    x = nn.functional.pad(z.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3), (11, 11, 11, 11))
    for layer in layers:
        x = nn.functional.leaky_relu(layer(x), 0.1)
    decode = load_quick_decoder(tmp_path / "model.pt", FORM, **PLACE)
    assert torch.allclose(decode(z), x, atol=1e-5) and x.shape[-2:] == (12, 10)
    painter = NetworkPainter(decode=decode)
    assert painter.picture(z[0]).size == (10, 12) and painter.pixels(z[0]).shape == (3, 48, 40)
    torch.save({"something": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(CannotLoad, match="neither TAESD nor VAE-approx"):
        load_quick_decoder(tmp_path / "other.pt", FORM, **PLACE)


def test_every_running_family_but_those_of_films_has_its_taesd() -> None:
    without = {family.name for family in FAMILIES if family.runs and not family.latent.tiny}
    assert without == {family.name for family in FAMILIES if family.runs and family.latent.films}


@torch.no_grad()
@pytest.mark.parametrize("half", ["decoder", "encoder"])
def test_taesd_of_flux2_has_pools_in_its_smallest_blocks(half: str, tmp_path: Path) -> None:
    """Computed here layer by layer, as its makers describe it: x + pool(x) goes into the block, pool being two layers around a normalisation in four groups."""
    vae: Any = tiny_vae(32)
    state, pooled = as_published(vae, half), (3, 4, 5) if half == "decoder" else (11, 12, 13)
    for number in pooled:
        state |= {f"{number}.pool.0.weight": torch.randn(256, 64, 1, 1) * 0.1, f"{number}.pool.3.weight": torch.randn(64, 256, 1, 1) * 0.1}
        state |= {f"{number}.pool.1.weight": torch.rand(256) + 0.5, f"{number}.pool.1.bias": torch.randn(256) * 0.1}
    file = tmp_path / f"taef2_{half}.pth"
    torch.save(state, file)
    latent = LatentFormat(channels=32, downscale=8, scale=1.0, patched=True, tiny="taef2")
    x = torch.randn(1, 32, 6, 5) if half == "decoder" else torch.rand(1, 3, 48, 40)
    found = load_quick_decoder(file, latent, **PLACE)(x) if half == "decoder" else load_quick_encoder(file, latent, **PLACE)(x * 2 - 1)
    if half == "decoder":
        x = torch.tanh(x / 3) * 3
    for number, layer in enumerate(getattr(vae, half).layers, 1 if half == "decoder" else 0):
        if number in pooled:
            normed = nn.functional.group_norm(nn.functional.conv2d(x, state[f"{number}.pool.0.weight"]), 4, state[f"{number}.pool.1.weight"], state[f"{number}.pool.1.bias"])
            x = x + nn.functional.conv2d(normed.relu(), state[f"{number}.pool.3.weight"])
        x = layer(x)
    assert torch.allclose(found, x * 2 - 1 if half == "decoder" else x, atol=1e-4)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    (tmp_path / "models" / "Stable-diffusion").mkdir(parents=True)
    checkpoint_of("SD1", tmp_path / "models" / "Stable-diffusion")
    yield from serve(build_app(parse_flags(["--data-dir", str(tmp_path), "--no-half", "--api"], {}).flags))


def test_taesd_draws_where_it_is_there_and_is_named_where_it_is_not(server: RunningServer, tmp_path: Path) -> None:
    asked = {"prompt": "x", "steps": 1, "width": 64, "height": 64, "seed": 1, "cfg_scale": 1, "sampler_name": "Euler"}

    def drawn(**settings: str) -> tuple[Image.Image, dict[str, Any]]:
        answer = server.client.post("/sdapi/v1/txt2img", json=asked | {"override_settings": settings}).json()
        return Image.open(io.BytesIO(base64.b64decode(answer["images"][0]))), json.loads(answer["info"])

    whole, info = drawn()
    assert "comments" not in info                       # nobody asked for the quick kind
    told = drawn(sd_vae_decode_method="TAESD")
    assert told[0].tobytes() == whole.tobytes() and "VAE Decoder" not in told[1]["infotexts"][0]
    assert "taesd_decoder.pth" in told[1]["comments"] and "https://github.com/madebyollin/taesd" in told[1]["comments"]
    (tmp_path / "models" / "VAE-approx").mkdir()
    for half in ("decoder", "encoder"):
        torch.save(as_published(tiny_vae(), half), tmp_path / "models" / "VAE-approx" / f"taesd_{half}.pth")
    quick, info = drawn(sd_vae_decode_method="TAESD", sd_vae_encode_method="TAESD")
    assert quick.size == whole.size and quick.tobytes() != whole.tobytes()
    assert "VAE Decoder: TAESD" in info["infotexts"][0] and "VAE Encoder" not in info["infotexts"][0] and "comments" not in info
    picture = io.BytesIO()
    whole.save(picture, "PNG")
    body = asked | {"init_images": [base64.b64encode(picture.getvalue()).decode()], "override_settings": {"sd_vae_encode_method": "TAESD"}}
    assert "VAE Encoder: TAESD" in json.loads(server.client.post("/sdapi/v1/img2img", json=body).json()["info"])["infotexts"][0]
    assert drawn()[0].tobytes() == whole.tobytes()      # and the model's own is untouched
