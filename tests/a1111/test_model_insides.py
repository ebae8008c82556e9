"""What extensions do inside of the model acts: its VAE's halves, its text stage, its LoRAs' layers. Undone, the same bits come out as before."""
from __future__ import annotations

import copy
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from modules.a1111 import foreign_packages
from modules.a1111.stubs import NotHere
from modules.application.app import App
from modules.application.generation import generate_blocking
from modules.application.outcome import Outcome
from modules.imaging.base64_codec import encode_image
from modules.schema.errors import WebuiError
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from tests.a1111.golden_app import golden_app, take_script

pytestmark = pytest.mark.golden
SCRIPT = Path(__file__).parents[1] / "extensions" / "model-insides" / "scripts" / "model_insides.py"
SMALL = {"prompt": "a cat", "negative_prompt": "blurry", "steps": 2, "width": 64, "height": 64, "seed": 5, "sampler_name": "Euler"}
LORA = "a cat <lora:tiny-lora:{}>"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with golden_app(tmp_path_factory.mktemp("insides")) as app:
        yield app


@pytest.fixture(scope="module")
def plain(app: App) -> bytes:
    """A picture from before there were scripts; from here on there are."""
    found = generate_blocking(app, Txt2ImgRequest.from_flat(SMALL)).images[0].picture.tobytes()
    foreign_packages.install()
    take_script(app, SCRIPT)
    return found


def drawn(app: App, which: str, **values: Any) -> Outcome:
    scripts = {"alwayson_scripts": {"model insides": {"args": [which]}}}
    return generate_blocking(app, Txt2ImgRequest.from_flat(SMALL | scripts | values))


def pixels(outcome: Outcome) -> np.ndarray:
    return np.asarray(outcome.images[0].picture.convert("RGB")).astype(int)


def heard(app: App) -> list[Any]:
    host: Any = app.scripts.host
    return host.txt2img.script("model insides").__class__.process.__globals__["heard"]


@pytest.mark.parametrize("which", ["decoder by hand", "attention by hand"])
def test_a_vae_put_together_by_hand_draws_the_same(app: App, plain: bytes, which: str) -> None:
    found = drawn(app, which)
    assert not found.comments and np.abs(pixels(found) - pixels(drawn(app, ""))).max() <= 1
    assert "by hand" not in which or which != "decoder by hand" or heard(app) == [] or heard(app)[0][:3] == ("kinds", True, True)


def test_latents_and_pictures_that_are_handed_out_lie_in_a1111s_order(app: App, plain: bytes) -> None:
    """torch.randn_like deals a seed's numbers out by the order in memory: FABRIC's noise was another one."""
    from modules.a1111.model_view import sd_model

    model = sd_model()
    posterior = model.encode_first_stage(torch.zeros(1, 3, 64, 64))
    latents = model.get_first_stage_encoding(posterior)
    assert posterior.mode().is_contiguous() and latents.is_contiguous() and model.decode_first_stage(latents).is_contiguous()


def test_a_replaced_decoder_acts_and_goes(app: App, plain: bytes) -> None:
    upright, turned = pixels(drawn(app, "")), pixels(drawn(app, "decoder upside down"))
    assert np.array_equal(upright[::-1], turned)
    broken = drawn(app, "decoder fails")
    assert np.array_equal(pixels(broken), upright) and "nonsense" in " ".join(broken.comments)
    assert drawn(app, "").images[0].picture.tobytes() == plain


def test_convolutions_that_are_bent_round_draw_as_our_own_tiling_does(app: App, plain: bytes) -> None:
    """By ``model_hijack.layers``, each asked whether its type ``== Conv2d``. They leave PyTorch's own way on the layers: ours comes back."""
    found = drawn(app, "seamless")
    assert not found.comments and np.abs(pixels(found) - pixels(drawn(app, "", tiling=True))).max() <= 1
    assert np.abs(pixels(found) - pixels(drawn(app, ""))).max() > 2
    assert drawn(app, "").images[0].picture.tobytes() == plain


def test_parts_of_packages_are_there_by_attribute(app: App, plain: bytes) -> None:
    drawn(app, "")
    host: Any = app.scripts.host
    assert host.txt2img.script("model insides").__class__.process.__globals__["heard_of_sgm"] == [True]


def test_a_hook_on_the_text_stage_reads_and_changes_what_the_model_is_told(app: App, plain: bytes) -> None:
    changed = drawn(app, "text hook")
    told = heard(app)
    assert ("text", True, ["a cat"], (1, 77, told[0][3][2])) in told and not changed.comments
    assert np.abs(pixels(changed) - pixels(drawn(app, ""))).max() > 2
    assert pixels(drawn(app, "text tokens", prompt="a (cat:1.3), a house")).tolist() == pixels(drawn(app, "", prompt="a (cat:1.3), a house")).tolist()
    nonsense = drawn(app, "text nonsense")
    assert nonsense.images[0].picture.tobytes() == plain and nonsense.comments


def test_the_model_adds_the_noise_of_a_timestep_and_says_how_many_there_are(app: App, plain: bytes) -> None:
    """FABRIC noises the pictures that were liked; every picture with it enabled failed. StableSR asks for the first weight's number type."""
    from modules import shared

    model = shared.sd_model
    assert model.num_timesteps == 1000 and next(model.parameters()).dtype == model.dtype
    start, noise, steps = torch.ones(2, 4, 8, 8), torch.full((2, 4, 8, 8), 2.0), torch.tensor([0, 999])
    noised, kept = model.q_sample(start, steps, noise), model.alphas_cumprod[steps].float()
    assert torch.allclose(noised[:, 0, 0, 0], kept.sqrt() + 2 * (1 - kept).sqrt(), atol=1e-5)
    assert model.q_sample(start, steps).std() > 0


def test_the_tokenizer_tab_knows_the_text_encoder_by_its_class_and_reads_its_words(app: App, plain: bytes) -> None:
    """stable-diffusion-webui-tokenizer refused every model: "Unknown CLIP model"."""
    from modules import shared
    from modules.a1111.open_clip_names import TOKENIZER

    stage = shared.sd_model.cond_stage_model
    names = import_module("ldm.modules.encoders.modules")
    assert isinstance(stage.wrapped, names.FrozenCLIPEmbedder) and not isinstance(stage.wrapped, names.FrozenOpenCLIPEmbedder)
    assert type(stage.wrapped) is names.FrozenCLIPEmbedder             # as DAAM asks
    with pytest.raises(NotHere):
        names.FrozenCLIPEmbedder(version="openai/clip-vit-large-patch14")
    words = {number: word for word, number in stage.wrapped.tokenizer.get_vocab().items()}
    assert type(stage.wrapped.tokenizer).__name__ == "CLIPTokenizer"   # by which embedding-inspector tells SD 1 from SD 2
    for letters in (stage.wrapped.tokenizer.byte_decoder, TOKENIZER["_tokenizer"].byte_decoder):
        read = bytes(letters[letter] for token in stage.tokenize(["a café, 愛"])[0] for letter in words[token].replace("</w>", "\u0120"))  # the letter of the blank
        assert read.decode() == "a café , 愛 "


def test_parts_of_the_denoiser_are_found_by_the_names_that_loras_use(app: App, plain: bytes) -> None:
    hooked = drawn(app, "part by its name")
    assert heard(app)[0][0] == ("CrossAttention", "") and {name for _, name in heard(app)[0]} >= {"_to_q", "_to_k", "_to_v"}
    assert hooked.images[0].picture.tobytes() != plain == drawn(app, "").images[0].picture.tobytes()


def test_an_extension_may_put_a_mapping_of_its_own_there(app: App, plain: bytes) -> None:
    assert not drawn(app, "mapping of its own").comments and heard(app) == [["one"]]
    drawn(app, "part by its name")
    assert heard(app)[0], "without one the house's is there again"


def test_a_loras_layers_bear_compvis_names(app: App, plain: bytes) -> None:
    drawn(app, "lora looked at", prompt=LORA.format(1))
    (_, keys, is_module), *_ = heard(app)
    assert is_module and any(key.startswith("diffusion_model_input_blocks_1_1_") for key in keys)
    assert any(key.startswith("transformer_text_model_encoder_layers_") for key in keys)


def test_an_extension_may_add_loras_to_each_layers_output_instead(app: App, plain: bytes) -> None:
    full, none = (pixels(drawn(app, "", prompt=LORA.format(strength))) for strength in (1, 0))
    by_hand = drawn(app, "lora by hand", prompt=LORA.format(1))
    assert not by_hand.comments and np.abs(pixels(by_hand) - full).max() <= 1 < np.abs(full - none).max()
    found = heard(app)
    assert found and all(found), "of torch's own class, and found by its name"
    assert np.array_equal(pixels(drawn(app, "", prompt=LORA.format(1))), full), "the next job has them in the weights again"


def test_what_is_done_to_a_lora_acts_for_that_batch(app: App, plain: bytes) -> None:
    full, half, none = (pixels(drawn(app, "", prompt=LORA.format(strength))) for strength in (1, 0.5, 0))
    assert np.abs(full - none).max() > 2
    assert np.array_equal(pixels(drawn(app, "lora halved", prompt=LORA.format(1))), half)
    assert np.abs(pixels(drawn(app, "lora halved inside", prompt=LORA.format(1))) - half).max() <= 1
    assert np.array_equal(pixels(drawn(app, "lora away", prompt=LORA.format(1))), none)
    assert np.array_equal(pixels(drawn(app, "lora without the unet", prompt=LORA.format(1))), pixels(drawn(app, "", prompt="a cat <lora:tiny-lora:te=1:unet=0>")))
    stops = pixels(drawn(app, "lora stops", prompt=LORA.format(1)))
    assert not np.array_equal(stops, full) and not np.array_equal(stops, none)
    assert np.array_equal(pixels(drawn(app, "", prompt=LORA.format(1))), full), "the file's own tensors are as they were"


def test_the_models_call_goes_through_what_stands_around_it(app: App, plain: bytes) -> None:
    usual = pixels(drawn(app, ""))
    found = drawn(app, "inner model in halves")
    assert heard(app)[0] == ("CompVisDenoiser", (2, 4, 8, 8), ["c_concat", "c_crossattn"], (2, 5, 1, 1))
    assert not found.comments and np.abs(pixels(found) - usual).max() <= 1
    assert np.abs(pixels(drawn(app, "apply model")) - usual).max() <= 1
    assert np.abs(pixels(drawn(app, "tiles")) - usual).max() > 2
    assert drawn(app, "inner model fails").images[0].picture.tobytes() == plain
    ddim = pixels(drawn(app, "", sampler_name="DDIM"))
    assert np.abs(pixels(drawn(app, "inner model in halves", sampler_name="DDIM")) - ddim).max() <= 1
    assert heard(app)[0][0] == "CompVisTimestepsDenoiser"


def test_guidance_that_a_callback_replaces_acts_from_its_own_step_on(app: App, plain: bytes) -> None:
    """Perturbed-attention guidance is put there so; here it leaves the negative prompt's prediction alone."""
    found = drawn(app, "guided by a callback")
    assert not found.comments and np.abs(pixels(found) - pixels(drawn(app, "", prompt="blurry", cfg_scale=1))).max() <= 1
    assert drawn(app, "").images[0].picture.tobytes() == plain


def test_mergers_read_the_models_tensors_and_load_the_checkpoint_they_name(app: App, plain: bytes) -> None:
    from modules import sd_models, shared

    info: Any = sd_models.select_checkpoint()
    app.checkpoints.unload()
    assert sd_models.load_model(info) is shared.sd_model and app.checkpoints.current is not None
    tensors = shared.sd_model.state_dict()
    assert {"model.diffusion_model.input_blocks.0.0.weight", "first_stage_model.decoder.conv_in.weight"} <= tensors.keys()
    assert {each.dtype for each in tensors.values()} <= {torch.float16, torch.int64}, "as they are stored"


def made_of(info: Any, name: str) -> Any:
    """A copy of ``info`` as mergers make it for a model that they made in memory."""
    made = copy.deepcopy(info)
    made.sha256, made.shorthash, made.hash, made.metadata = "ab" * 32, None, None, {"made": "so"}
    made.name, made.model_name, made.name_for_extra, made.title = f"{name}.safetensors", name, name, f"{name}.safetensors [{'ab' * 5}]"
    return made


def words_of(found: Outcome) -> str:
    return found.images[0].infotext


@pytest.fixture
def merged(app: App, plain: bytes) -> Iterator[tuple[Any, dict[str, torch.Tensor]]]:
    """The checkpoint in use, and tensors that draw otherwise."""
    from modules import sd_models, shared

    info: Any = sd_models.select_checkpoint()
    key = "model.diffusion_model.out.2.weight"
    tensors = shared.sd_model.state_dict()
    yield info, tensors | {key: tensors[key].float() * 0.5}
    app.settings.set("sd_model_checkpoint", info.title)
    sd_models.load_model(info)


def test_a_model_made_in_memory_is_drawn_with_until_another_is_chosen(app: App, plain: bytes, merged: tuple[Any, dict[str, torch.Tensor]]) -> None:
    from modules import sd_models

    shared: Any = import_module("modules.shared")
    info, tensors = merged
    usual, listed = drawn(app, ""), [each.title for each in app.catalogue.checkpoints()]
    name = "(a x 0.5) + b/c x (" + "0.25," * 80 + ")"                        # longer than a file's name may be
    made = made_of(info, name)
    sd_models.unload_model_weights()
    for holder in (shared, sd_models.model_data):
        holder.sd_model = None
    assert sd_models.load_model(made, already_loaded_state_dict=tensors) is shared.sd_model
    assert shared.sd_model.sd_checkpoint_info is made and shared.opts.sd_model_checkpoint == made.title
    assert sd_models.get_closet_checkpoint_match(made.title) is made and made != info
    found = drawn(app, "")
    assert np.abs(pixels(found) - pixels(usual)).max() > 2
    assert f"Model hash: {'ab' * 5}, Model: " in words_of(found) and "(a x 0.5) + b/c x (" in words_of(found)
    shared.sd_model.sd_model_checkpoint = made.filename = "/nowhere/at all.safetensors"
    assert torch.equal(shared.sd_model.state_dict()["model.diffusion_model.out.2.weight"], tensors["model.diffusion_model.out.2.weight"])
    assert [each.title for each in app.catalogue.checkpoints()] == listed
    lora = drawn(app, "", prompt=LORA.format(1))
    assert not lora.comments and np.abs(pixels(lora) - pixels(found)).max() > 2
    (file,) = (app.paths.data_dir / "tmp").glob(".*.safetensors")
    again = sd_models.load_model(made_of(info, name), already_loaded_state_dict=tensors)
    assert again.sd_checkpoint_info is not made and np.array_equal(pixels(drawn(app, "")), pixels(found))
    assert not file.exists(), "the same merge again takes its place"
    sd_models.load_model(info)
    assert drawn(app, "").images[0].picture.tobytes() == usual.images[0].picture.tobytes() and words_of(drawn(app, "")) == words_of(usual)
    assert not [*(app.paths.data_dir / "tmp").iterdir()] and sd_models.get_closet_checkpoint_match(made.title) is None


def test_a_script_merges_before_its_own_pictures(
    app: App, plain: bytes, merged: tuple[Any, dict[str, torch.Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from modules import sd_models

    info, tensors = merged
    usual = pixels(drawn(app, ""))
    runner: Any = app.scripts.host.txt2img  # type: ignore[union-attr]
    with monkeypatch.context() as patched:
        patched.setattr(runner, "before_process", lambda p: sd_models.load_model(made_of(info, "mixed"), already_loaded_state_dict=tensors))
        found = drawn(app, "")
    assert "Model: mixed," in words_of(found) and np.abs(pixels(found) - usual).max() > 2
    assert np.array_equal(pixels(drawn(app, "")), pixels(found)), "it stays in use"


def test_a_merger_may_write_into_the_models_parts_and_name_what_came_of_it(app: App, plain: bytes, merged: tuple[Any, dict[str, torch.Tensor]]) -> None:
    shared: Any = import_module("modules.shared")
    info, tensors = merged
    usual, out, words = pixels(drawn(app, "")), "model.diffusion_model.out.2.weight", "transformer.text_model.final_layer_norm.weight"
    shared.sd_model.model.diffusion_model.out.load_state_dict({"2.weight": tensors[out]}, strict=False)
    live = shared.sd_model.state_dict()
    assert torch.allclose(live[out].float(), tensors[out], rtol=1e-3) and [key for key in live if not torch.equal(live[key], tensors[key])] == [out]
    shared.sd_model.sd_checkpoint_info = made_of(info, "written into")
    found = drawn(app, "")
    assert "Model: written into," in words_of(found) and np.abs(pixels(found) - usual).max() > 2
    shared.sd_model.cond_stage_model.load_state_dict({words: tensors[f"cond_stage_model.{words}"] * 3}, strict=False)
    assert torch.equal(shared.sd_model.state_dict()[f"cond_stage_model.{words}"], tensors[f"cond_stage_model.{words}"] * 3)
    import_module("modules.sd_models").load_model(info)
    assert np.array_equal(pixels(drawn(app, "")), usual), "the file's own model is as it was"


def test_what_no_model_can_be_made_of_leaves_the_model_in_use(app: App, plain: bytes, merged: tuple[Any, dict[str, torch.Tensor]]) -> None:
    from modules import sd_models

    info, tensors = merged
    usual = pixels(drawn(app, ""))
    emptied = {name: each.to("meta") for name, each in tensors.items()}
    parts = {name: each for name, each in tensors.items() if "first_stage_model.decoder" not in name}
    for wrong in (emptied, {"a": torch.zeros(2)}, parts):
        with pytest.raises(WebuiError):
            sd_models.load_model(made_of(info, "wrong"), already_loaded_state_dict=wrong)
        assert app.settings.get("sd_model_checkpoint") == info.title and np.array_equal(pixels(drawn(app, "")), usual)
        assert not [*(app.paths.data_dir / "tmp").iterdir()]


@pytest.mark.parametrize("sampler", ["Euler", "DDIM", "UniPC"])
def test_a_callback_may_ask_the_model_once_more(app: App, plain: bytes, sampler: str) -> None:
    """Guidances of extensions do: the same question has the same answer, and drawing goes on as it would have."""
    usual = pixels(drawn(app, "", sampler_name=sampler))
    host: Any = app.scripts.host
    differs = host.txt2img.script("model insides").__class__.process.__globals__["differs"]
    for which in ("once more", "once more outside"):
        differs.clear()
        found = drawn(app, which, sampler_name=sampler)
        assert not found.comments and np.array_equal(pixels(found), usual)
        assert differs and max(differs) < 1e-4, which
    elsewhere = drawn(app, "once more, elsewhere", sampler_name=sampler)
    assert not elsewhere.comments and np.abs(pixels(elsewhere) - usual).max() > 2
    assert drawn(app, "").images[0].picture.tobytes() == plain


def test_prompts_are_read_by_what_stands_in_prompt_parser(app: App, plain: bytes) -> None:
    found = drawn(app, "other prompt reader", cfg_scale=30)
    assert not found.comments
    assert np.array_equal(pixels(found), pixels(drawn(app, "", prompt="a dog AND a house :0.5", cfg_scale=30)))
    assert not np.array_equal(pixels(found), pixels(drawn(app, "", cfg_scale=30)))


def test_a_folder_is_drawn_picture_by_picture_each_with_its_own_words(app: App, plain: bytes, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number, words in ((1, "a house"), (2, "a tree"), (10, "")):
        texts = PngInfo()
        texts.add_text("parameters", f"{words}\nSteps: {number}, Sampler: Euler, Size: 64x64")
        Image.new("RGB", (64, 64), (number * 20, 40, 60)).save(tmp_path / "in" / f"{number}.png", pnginfo=texts if words else None)
    request = Img2ImgRequest.from_flat(SMALL | {
        "init_images": [encode_image(Image.new("RGB", (64, 64)))], "script_name": "folder", "script_args": [str(tmp_path / "in"), str(tmp_path / "out")],
        "denoising_strength": 0.5, "save_images": True,
    })  # fmt: skip
    found = generate_blocking(app, request)
    assert [each.splitlines()[0] for each in found.info["infotexts"]] == ["a cat a house", "a cat a tree", "a cat"]
    assert ["Steps: 1," in each for each in found.info["infotexts"]] == [True, False, False]
    assert len(found.images) == len(list((tmp_path / "out").glob("*.png"))) == 3
