"""Listens to the denoiser and replaces a method of the samplers; its setting is wished for as late as in a script's ``__init__``."""
from typing import Optional

import gradio as gr
from fastapi import FastAPI
from pydantic import BaseModel

from modules import script_callbacks, scripts, shared
from modules.api.api import Api
from modules.api.models import StableDiffusionTxt2ImgProcessingAPI
from modules.call_queue import queue_lock
from modules.sd_samplers_kdiffusion import KDiffusionSampler


class Answer(BaseModel):
    title: str
    words: Optional[str]


class Longer(Answer):
    class Config(Answer.__config__):
        title = "Longer"


def on_app_started(demo, app):
    ours = Api(FastAPI(), queue_lock)
    asked = StableDiffusionTxt2ImgProcessingAPI(prompt="a house", steps=1, width=64, height=64, seed=1)
    app.add_api_route("/sampling/answer", lambda: Longer(title="some"), methods=["GET"])
    app.add_api_route("/sampling/drawn", lambda: {"info": ours.text2imgapi(asked).info, "page": isinstance(demo, gr.Blocks)}, methods=["GET"])


script_callbacks.on_app_started(on_app_started)
original = KDiffusionSampler.callback_state
seen = {"which": "", "steps": []}


def callback_state(self, d):
    if seen["which"] in ("x", "denoised") and not self.p.is_hr_pass:
        d[seen["which"]][:, 0] += 1 / d["sigma"].sqrt()
        seen["steps"].append(int(d["i"]))
    return original(self, d)


def on_cfg_denoiser(params):
    if seen["which"] == "sigma":
        params.sigma[: params.denoiser.p.batch_size] *= 0.9
        seen["steps"].append(max(params.sampling_step, params.denoiser.step) / params.denoiser.steps)


KDiffusionSampler.callback_state = callback_state
script_callbacks.on_cfg_denoiser(on_cfg_denoiser)


class Sampling(scripts.Script):
    def __init__(self):
        script_callbacks.on_ui_settings(lambda: shared.opts.add_option("sampling_late", shared.OptionInfo("wished", "Late", section=("sampling", "Sampling"))))

    def title(self):
        return "Sampling"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        return [gr.Textbox(label="Which")]

    def process(self, p, which):
        seen["which"], seen["steps"] = which, []
        if which == "folder":
            p.extra_generation_params["Folder"] = "txt2img" in p.outpath_samples
        if which == "quietly":
            shared.opts.samples_save = False

    def postprocess(self, p, processed, which):
        if seen["steps"]:
            processed.infotexts[0] += f", Seen: {len(seen['steps'])}"
        if which == "quietly":
            shared.opts.samples_save = True
