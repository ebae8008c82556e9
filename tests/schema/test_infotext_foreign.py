"""Other programs' texts are read for what they say of the picture, and no text breaks anything."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modules.schema.infotext_foreign import as_infotext, infotext_of_texts
from modules.schema.infotext_read import parse_infotext, read_infotext

COMFY: dict[str, Any] = {
    "3": {"class_type": "KSampler", "inputs": {
        "seed": 7, "steps": 20, "cfg": 8.0, "sampler_name": "euler_ancestral", "scheduler": "sgm_uniform", "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sub/v1-5.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a \"red\" cat,\nsitting", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": ["8", 0], "clip": ["4", 1]}},
    "8": {"class_type": "PrimitiveString", "inputs": {"value": "a dog"}},
}  # fmt: skip
FLUX: dict[str, Any] = {
    "1": {"class_type": "SamplerCustomAdvanced", "inputs": {"noise": ["2", 0], "guider": ["3", 0], "sampler": ["4", 0], "sigmas": ["5", 0], "latent_image": ["6", 0]}},
    "2": {"class_type": "RandomNoise", "inputs": {"noise_seed": 7}},
    "3": {"class_type": "BasicGuider", "inputs": {"conditioning": ["7", 0], "model": ["8", 0]}},
    "4": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
    "5": {"class_type": "BasicScheduler", "inputs": {"scheduler": "simple", "steps": 20, "model": ["8", 0]}},
    "6": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["8", 1]}},
    "8": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux.safetensors"}},
}  # fmt: skip
SWARM = {"sui_image_params": {"prompt": "a cat", "negativeprompt": "a dog", "model": "SD/v1-5.safetensors", "seed": 7, "steps": 20, "cfgscale": 8.0, "width": 512, "height": 768,
                              "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "swarm_version": "0.9.6"}}  # fmt: skip
FOOOCUS = {"prompt": "a cat", "negative_prompt": "a dog", "full_prompt": ["a cat, sharp"], "steps": 20, "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "guidance_scale": 8, "seed": "7",
           "resolution": "(512, 768)", "base_model": "v1-5", "styles": "['Fooocus V2']", "metadata_scheme": "fooocus"}  # fmt: skip
FOOOCUS_LOG = {"Prompt": "a cat", "Negative Prompt": "a dog", "Resolution": "(512, 768)", "Guidance Scale": 8, "Base Model": "v1-5.safetensors", "Sampler": "dpmpp_2m_sde_gpu",
               "Scheduler": "karras", "Seed": 7, "Steps": 20}  # fmt: skip
INVOKE = {"generation_mode": "txt2img", "positive_prompt": "a cat", "negative_prompt": "a dog", "width": 512, "height": 768, "seed": 7, "cfg_scale": 8.0, "steps": 20,
          "scheduler": "dpmpp_2m_sde_k", "model": {"key": "x", "name": "v1-5"}}  # fmt: skip
INVOKE_2 = {"model_weights": "v1-5", "image": {"prompt": [{"prompt": "a cat [a dog]", "weight": 1.0}], "steps": 20, "cfg_scale": 8.0, "seed": 7, "width": 512, "height": 768, "sampler": "k_dpmpp_2m_sde"}}
EASY = {"prompt": "a cat", "negative_prompt": "a dog", "seed": "7", "num_inference_steps": "20", "guidance_scale": "8.0", "width": "512", "height": "768", "sampler_name": "dpmpp_2m_sde",
        "use_stable_diffusion_model": "C:\\models\\v1-5.ckpt"}  # fmt: skip
DRAW_THINGS = {"c": "a cat", "uc": "a dog", "model": "v1-5.ckpt", "sampler": "DPM++ 2M SDE", "scale": 8, "seed": 7, "size": "512x768", "steps": 20}
DATA_OF_CIVITAI = {"prompt": "a cat", "negativePrompt": "a dog", "steps": 20, "cfgScale": 8, "sampler": "DPM++ 2M SDE", "seed": 7, "width": 512, "height": 768}
TENSOR_ART = {"prompt": "a cat", "negativePrompt": "a dog", "steps": 20, "cfgScale": 8, "samplerName": "DPM++ 2M SDE", "seed": "7", "width": 512, "height": 768, "baseModel": {"label": "v1-5"}}
SAID = {"Prompt": "a cat", "Negative prompt": "a dog", "Steps": "20", "Sampler": "DPM++ 2M SDE", "CFG scale": "8", "Seed": "7", "Size-1": "512", "Size-2": "768"}
XMP = '<x:xmpmeta><exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt></exif:UserComment></x:xmpmeta>'


@pytest.mark.parametrize("written", [SWARM, FOOOCUS, FOOOCUS_LOG, INVOKE, INVOKE_2, EASY, DRAW_THINGS, {**COMFY, "extraMetadata": json.dumps(DATA_OF_CIVITAI)}, {"generation_data": json.dumps(TENSOR_ART)}])
def test_json_of_other_programs_fills_the_fields_when_it_is_pasted(written: dict[str, Any]) -> None:
    text = json.dumps(written)
    found = read_infotext(text)
    assert SAID.items() <= found.items() and found["Schedule type"] in ("Karras", "Automatic")


@pytest.mark.parametrize("texts", [
    {"invokeai_metadata": json.dumps(INVOKE), "invokeai_graph": "{}"}, {"sd-metadata": json.dumps(INVOKE_2), "Dream": "x"}, EASY, {"generation_data": json.dumps(TENSOR_ART) + "\0", "prompt": json.dumps(COMFY)},
    {"Dream": '"a cat [a dog]" -s20 -S 7 -W512 -H768 -C8.0 -A k_dpmpp_2m_sde'}, {"XML:com.adobe.xmp": XMP.format(json.dumps(DRAW_THINGS).replace('"', "&quot;"))},
])  # fmt: skip
def test_texts_that_other_programs_keep_in_pictures_are_found(texts: dict[str, Any]) -> None:
    assert SAID.items() <= parse_infotext(infotext_of_texts(texts, (1, 1)) or "").items()


def test_a_graph_of_comfy_is_followed_back_from_its_sampler() -> None:
    told = parse_infotext(infotext_of_texts({"prompt": json.dumps(COMFY), "workflow": "{}"}, (1024, 1536)) or "")
    assert told == {"Prompt": 'a "red" cat,\nsitting', "Negative prompt": "a dog", "Steps": "20", "Sampler": "Euler a", "Schedule type": "SGM Uniform", "CFG scale": "8", "Seed": "7",
                    "Size-1": "1024", "Size-2": "1536", "Model": "v1-5"}  # fmt: skip
    assert parse_infotext(json.dumps(FLUX)) == {"Prompt": "a cat", "Negative prompt": "", "Steps": "20", "Sampler": "Euler", "Schedule type": "Simple", "Seed": "7", "Size-1": "512", "Size-2": "768",
                                                "Model": "flux"}  # fmt: skip
    round_and_round = {"1": {"class_type": "KSampler", "inputs": {"positive": ["1", 0], "latent_image": ["1", 0], "model": ["9", 0]}}}
    assert infotext_of_texts({"prompt": json.dumps(round_and_round)}, (8, 8)) is None


@pytest.mark.parametrize("text", ["{a|b|c} cat", '{"prompt": "a cat"}', "{", '{"a":' * 5000, '{"sui_image_params": 5}', '{"prompt": 1, "guidance_scale": [], "resolution": {}}', "[1]", '{"image": {"prompt": null, "seed": 1, "cfg_scale": 2}}'])
def test_any_other_text_stays_a_prompt(text: str) -> None:
    assert as_infotext(text) == text and parse_infotext(text)["Prompt"] == text
    assert infotext_of_texts({"prompt": text, "Dream": text, "xmp": text, "sd-metadata": text}, (8, 8)) is None


def test_fooocus_lines_name_the_schedule_as_it_is_called_here() -> None:
    assert read_infotext("a cat\nSteps: 30, Sampler: DPM++ 2M SDE Karras, Seed: 1, Size: 1152x896, Scheduler: karras, Version: Fooocus v2.3.1")["Schedule type"] == "Karras"


@pytest.mark.parametrize("written", [
    {**SWARM["sui_image_params"], "loras": ["sub/ink", "light"], "loraweights": ["0.8", "1"]}, {**FOOOCUS, "loras": [["ink.safetensors", 0.8, "4852686128"], ["light.safetensors", 1.0, "b"]]},
    {**FOOOCUS, "lora_combined_1": "ink.safetensors : 0.8", "lora_combined_2": "light.safetensors : 1.0"}, {**FOOOCUS_LOG, "LoRA 1": "ink.safetensors : 0.8", "LoRA 2": "light.safetensors : 1.0"},
    {**INVOKE, "loras": [{"model": {"key": "k", "name": "ink"}, "weight": 0.8}, {"lora": {"model_name": "light"}, "weight": 1}]},
    {**EASY, "use_lora_model": "['ink', 'light']", "lora_alpha": "[0.8, 1]"}, {**DRAW_THINGS, "lora": [{"model": "ink.ckpt", "weight": 0.8}, {"model": "light.ckpt", "weight": 1}]},
    {"generation_data": json.dumps({**TENSOR_ART, "models": [{"type": "LORA", "modelFileName": "ink", "weight": 0.8}, {"type": "LORA", "label": "light", "weight": 1}, {"type": "CHECKPOINT", "label": "x"}]})},
    {**COMFY, "3": {**COMFY["3"], "inputs": {**COMFY["3"]["inputs"], "model": ["11", 0]}},
     "10": {"class_type": "LoraLoader", "inputs": {"lora_name": "sub\\ink.safetensors", "strength_model": 0.8, "strength_clip": 1, "model": ["4", 0]}},
     "11": {"class_type": "Power Lora Loader (rgthree)", "inputs": {"lora_1": {"on": True, "lora": "light.safetensors", "strength": 1}, "lora_2": {"on": False, "lora": "off", "strength": 1}, "model": ["10", 0]}}},
])  # fmt: skip
def test_loras_that_other_programs_keep_beside_the_prompt_stand_in_it(written: dict[str, Any]) -> None:
    text = json.dumps({"sui_image_params": written} if "cfgscale" in written else written)
    prompt = read_infotext(text)["Prompt"]
    assert prompt.replace(',\nsitting', "").replace('"red" ', "") == "a cat <lora:ink:0.8> <lora:light:1>"


def test_a_lora_that_the_prompt_names_stands_in_it_once() -> None:
    swarm = {"sui_image_params": {**SWARM["sui_image_params"], "prompt": "a cat <lora:Ink:0.5>", "loras": ["ink"], "loraweights": ["0.5"]}}
    assert read_infotext(json.dumps(swarm))["Prompt"] == "a cat <lora:Ink:0.5>"
    lines = "a cat\nSteps: 30, Sampler: Euler, Seed: 1, Size: 8x8, Lora hashes: \"ink: 1, light: 2\", Lora weights: \"ink: 0.8, light: 1.0\", Version: Fooocus v2.3.1"
    assert read_infotext(lines)["Prompt"] == "a cat <lora:ink:0.8> <lora:light:1>" and parse_infotext(lines)["Prompt"] == "a cat"


def test_of_two_passes_of_comfy_the_first_is_told_wherever_it_stands() -> None:
    second = {"class_type": "KSamplerAdvanced", "inputs": {**COMFY["3"]["inputs"], "noise_seed": 0, "seed": 0, "positive": ["8", 0], "latent_image": ["2", 0]}}
    graph = {"1": second, "2": {"class_type": "LatentUpscale", "inputs": {"samples": ["3", 0]}}, **COMFY, "9": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2, "clip": ["4", 1]}}}
    graph["6"] = {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["9", 0]}}
    told = read_infotext(json.dumps({"prompt": graph, "workflow": {}}))
    assert (told["Seed"], told["Prompt"], told["Clip skip"]) == ("7", "a cat", "2")
    in_a_ring = {"1": {**second, "inputs": {**second["inputs"], "latent_image": ["1", 0]}}, **COMFY}
    assert read_infotext(json.dumps(in_a_ring))["Seed"] in ("0", "7")


@pytest.mark.parametrize("loras", [5, "[", [[]], [None], [["x"]], [{"model": {}}], [["a>b:1", 1]], {"a": 1}, [["None", None]], "[" * 5000])
def test_no_list_of_loras_breaks_a_picture_s_text(loras: Any) -> None:
    assert read_infotext(json.dumps({**FOOOCUS, "loras": loras, "models": loras, "use_lora_model": loras, "lora_alpha": loras}))["Prompt"].startswith("a cat")
