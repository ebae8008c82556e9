"""Other programs' texts are read for what they say of the picture, and no text breaks anything."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modules.schema.infotext_foreign import as_infotext, infotext_of_texts
from modules.schema.infotext_read import is_infotext, parse_infotext, read_infotext

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
    assert SAID.items() <= found.items() and found["Schedule type"] in ("Karras", "Automatic") and is_infotext(text)


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
