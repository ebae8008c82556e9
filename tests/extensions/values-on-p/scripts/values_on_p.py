"""Puts values of its own where A1111 keeps those of a run: on ``p``, and into what its hooks are handed. Its argument says which."""
import torch
from PIL import Image, ImageOps

from modules import processing, prompt_parser, scripts, shared

import gradio as gr

heard = []


class ValuesOnP(scripts.Script):
    def title(self):
        return "Values on p"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        return [gr.Textbox(label="Which")]

    def process(self, p, which):
        heard.clear()
        if which == "colours":
            p.color_corrections = [processing.setup_color_correction(Image.new("RGB", (8, 8), (250, 20, 20)))]
        if which == "told":
            p.extra_generation_params["Told"] = lambda p, index, prompt_text, **kwargs: f"{prompt_text} {index}"
            p.extra_generation_params["Told not"] = lambda negative_prompt, **kwargs: negative_prompt

    def before_process_batch(self, p, which, **kwargs):
        heard.append(("init", p.mask_for_overlay is not None, p.paste_to, len(p.overlay_images or [])))
        if which == "seed":
            p.seeds = [77]
        if which == "overlay":
            p.overlay_images = [Image.new("RGBA", p.overlay_images[0].size, (0, 255, 0, 255))]
        if which == "paste":
            left, top, width, height = p.paste_to
            p.paste_to = (0, 0, width, height)
        if which == "nonsense":
            p.paste_to, p.color_corrections = "somewhere", [3]

    def process_batch(self, p, which, **kwargs):
        if which == "words":
            p.prompts[0] = "a house"
            p.negative_prompts[0] = "grey"
        if which == "scale":
            p.cfg_scale = 2.5
        if which == "clip skip" and not p.iteration:
            shared.opts.data["CLIP_stop_at_last_layers"] = 2

    def before_hr(self, p, which):
        if which == "hires scale":
            p.cfg_scale = 2.5

    def postprocess_batch(self, p, which, **kwargs):
        if which == "clip skip" and p.iteration:
            shared.opts.data["CLIP_stop_at_last_layers"] = 1
        if which == "hires scale":
            p.cfg_scale = 7

    def process_before_every_sampling(self, p, which, x, noise, c, uc, **kwargs):
        assert c is (p.hr_c if p.is_hr_pass else p.c) and uc is (p.hr_uc if p.is_hr_pass else p.uc)
        if which == "cond":
            c.batch[0][0].schedules[0].cond.mul_(0.5)
        if which == "other cond":
            p.c = prompt_parser.get_multicond_learned_conditioning(p.sd_model, ["a house"], p.steps)
        if which == "cond by p":
            cache = [None, None]
            for _ in range(2):
                p.c = p.get_conds_with_caching(prompt_parser.get_multicond_learned_conditioning, ["a house"], p.steps, [cache], p.extra_network_data)
            assert p.c is cache[1]
        if which == "conds by p":
            p.prompts, p.negative_prompts = ["a house"], ["grey"]
            p.clear_prompt_cache()
            p.setup_conds()
        if which == "hires cond" and p.is_hr_pass:
            p.hr_uc[0][0].cond.zero_()
        if which == "nonsense":
            p.c = "words"

    def on_mask_blend(self, p, mba, which):
        heard.append(("blend", mba.is_final_blend, None if mba.sigma is None else float(mba.sigma[0]), tuple(mba.nmask.shape), bool((mba.mask + mba.nmask == 1).all())))
        if which == "blend":
            mba.blended_latent = mba.current_latent
        if which == "final blend" and mba.is_final_blend:
            mba.blended_latent = torch.zeros_like(mba.blended_latent)

    def postprocess_maskoverlay(self, p, ppmo, which):
        if which == "mask":
            ppmo.mask_for_overlay = ImageOps.invert(ppmo.mask_for_overlay.convert("L"))
        if which == "no overlay":
            ppmo.overlay_image = None
