"""Goes A1111's way from noise to latents by hand, as extensions do that replace ``p.sample``, ``p.sample_hr_pass`` or ``p.init``. Its argument says how."""
import copy
import functools

import k_diffusion as K
import numpy as np
import torch
from PIL import Image

from modules import processing, prompt_parser, rng, scripts, sd_samplers, sd_samplers_common, sd_samplers_kdiffusion, shared

import gradio as gr

heard = []


class OwnSampler(sd_samplers_kdiffusion.KDiffusionSampler):
    own_eta = 0.0

    def sample(self, p, x, conditioning, unconditional_conditioning, steps=None, image_conditioning=None):
        steps = steps or p.steps
        self.initialize(p)
        sigmas = self.get_sigmas(p, steps)
        heard.append([round(float(each), 3) for each in sigmas])
        sd_samplers_common.store_latent(x)
        x = x * sigmas[0]
        self.last_latent = x
        self.sampler_extra_args = {"cond": conditioning, "image_cond": image_conditioning, "uncond": unconditional_conditioning, "cond_scale": p.cfg_scale, "s_min_uncond": 0}
        return self.launch_sampling(steps, lambda: self.func(
            self.model_wrap_cfg, x, sigmas=sigmas, extra_args=self.sampler_extra_args, disable=False, callback=self.callback_state, eta=self.own_eta))


class ByHand(scripts.Script):
    def title(self):
        return "by hand"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        return [gr.Textbox(label="Way")]

    def process(self, p, way):
        heard.clear()
        if not way:
            return
        self.way, own, own_hires = way, p.sample, getattr(p, "sample_hr_pass", None)
        if way in ("around", "others", "later seeds", "fails"):
            p.sample = functools.wraps(own)(lambda **given: self.around(p, own, given))
        if way == "sampler is there":
            sd_samplers.create_sampler = functools.partial(self.created, sd_samplers.create_sampler)
            p.sample = lambda conditioning, unconditional_conditioning, *rest, **more: p.sampler.sample_img2img(
                p, p.init_latent, p.rng.next(), conditioning, unconditional_conditioning, image_conditioning=p.image_conditioning)
        if way == "multiplier":
            heard.append(p.initial_noise_multiplier)
        if way == "from noise":
            p.sample = lambda conditioning, unconditional_conditioning, seeds, subseeds, subseed_strength, prompts: self.from_noise(p, conditioning, unconditional_conditioning)
        if way == "from picture":
            p.sample = lambda conditioning, unconditional_conditioning, *rest, **more: self.from_picture(p, conditioning, unconditional_conditioning)
        if way == "noise of the picture":
            p.sample = lambda conditioning, unconditional_conditioning, *rest, **more: self.alternative(p, conditioning, unconditional_conditioning)
        if way in ("hires around", "hires twice", "hires in two"):
            p.sample_hr_pass = lambda *given: self.hires(p, own_hires, given)
        if way in ("own sampler", "own sampler with noise"):
            p.sample = lambda conditioning, unconditional_conditioning, *rest, **more: self.by_own_sampler(p, conditioning, unconditional_conditioning)
        if way == "all by hand":
            p.sample = lambda conditioning, unconditional_conditioning, *rest, **more: self.both_passes(p, conditioning, unconditional_conditioning)
        if way == "other euler":
            own = K.sampling.sample_euler_ancestral
            K.sampling.sample_euler_ancestral = lambda model, x, sigmas, extra_args=None, callback=None, disable=None, eta=1.0: (
                heard.append(len(sigmas)) or own(model, x, sigmas, extra_args=extra_args, callback=callback, eta=0.0))
            self.own_euler = own
        if way == "sigmas":
            p.sampler_noise_scheduler_override = lambda steps: torch.cat([torch.linspace(9.0, 1.0, steps), torch.zeros(1)])
        if way == "init":
            p.init = lambda *given: self.init(p, given)

    def created(self, own, name, model):
        heard.append(name)
        return own(name, model)

    def postprocess(self, p, processed, way):
        if way == "sampler is there":
            sd_samplers.create_sampler = sd_samplers.create_sampler.args[0]
        if way == "other euler":
            K.sampling.sample_euler_ancestral = self.own_euler

    def process_batch(self, p, way, **kwargs):
        if way == "hires prompts":
            heard.append(getattr(p, "hr_prompts", "none such"))
        if way == "rng":
            heard.append(tuple(p.rng.shape))
            p.rng.next = lambda: torch.zeros(1, *p.rng.shape)

    def postprocess_batch_list(self, p, pp, way, **kwargs):
        if way == "hires twice":
            p.prompts, p.negative_prompts, p.seeds, p.subseeds = p.prompts * 2, p.negative_prompts * 2, p.seeds * 2, p.subseeds * 2

    def process_before_every_sampling(self, p, way, **kwargs):
        if way == "other sampling":
            for name in ("sample", "sample_img2img"):
                own = getattr(p.sampler, name)
                setattr(p.sampler, name, lambda *given, own=own, name=name, **more: heard.append((name, len(given), sorted(more))) or own(*given, **more))

    def postprocess_image(self, p, pp, way):
        if way != "once more":
            return
        cp, size = copy.copy(p), (pp.image.width * 2, pp.image.height * 2)
        image = torch.from_numpy(np.asarray(pp.image.resize(size), dtype=np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
        sample = p.sd_model.get_first_stage_encoding(p.sd_model.encode_first_stage(image))
        cp.denoising_strength, cp.cfg_scale, cp.steps = 0.5, 3, 4
        cp.rng = rng.ImageRNG(sample.shape[1:], p.seeds)
        cond = prompt_parser.get_multicond_learned_conditioning(p.sd_model, prompt_parser.SdConditioning(["a house"], False, *size), 4)
        uncond = prompt_parser.get_learned_conditioning(p.sd_model, prompt_parser.SdConditioning(["grey"], False, *size), 4)
        sampler = sd_samplers.create_sampler("DPM++ 2M", p.sd_model)
        found = sampler.sample_img2img(cp, sample, cp.rng.next(), cond, uncond, steps=4, image_conditioning=p.img2img_image_conditioning(image, sample))
        pp.image = Image.fromarray((processing.decode_first_stage(p.sd_model, found)[0].add(1).mul(127.5).clamp(0, 255)).byte().permute(1, 2, 0).numpy())

    def around(self, p, own, given):
        heard.append(sorted(given))
        if self.way == "fails":
            raise RuntimeError("it broke")
        if self.way == "others":
            p.steps += 1
            p.denoising_strength = 0.5
        if self.way == "later seeds":
            given["seeds"] = [seed + 100 for seed in given["seeds"]]
        return own(**given)

    def from_noise(self, p, c, uc):
        x = processing.create_random_tensors([4, p.height // 8, p.width // 8], p.seeds, subseeds=p.subseeds, subseed_strength=p.subseed_strength, p=p)
        heard.append(bool(torch.equal(x, p.rng.next())))
        p.sampler = sd_samplers.create_sampler(p.sampler_name, p.sd_model)
        return p.sampler.sample(p, x, c, uc, image_conditioning=p.txt2img_image_conditioning(x))

    def from_picture(self, p, c, uc):
        sampler = sd_samplers.create_sampler(p.sampler_name, p.sd_model)
        noise = p.rng.next() * p.initial_noise_multiplier if p.initial_noise_multiplier else p.rng.next()
        return sampler.sample_img2img(p, p.init_latent, noise, c, uc, image_conditioning=p.image_conditioning)

    def by_own_sampler(self, p, c, uc):
        p.sampler = OwnSampler(K.sampling.sample_euler_ancestral, p.sd_model)
        p.sampler.own_eta = 1.0 if self.way.endswith("with noise") else 0.0
        x = p.rng.next()
        return p.sampler.sample(p, x, c, uc, image_conditioning=p.txt2img_image_conditioning(x))

    def alternative(self, p, c, uc):
        """The noise that Euler's steps, taken backwards, find in the picture; from there forwards it comes out again."""
        model = K.external.CompVisDenoiser(shared.sd_model)
        sigmas = model.get_sigmas(p.steps).flip(0)
        cond = p.sd_model.get_learned_conditioning(len(p.init_latent) * [p.prompt])
        x = p.init_latent
        for before, sigma in zip(sigmas, sigmas[1:]):
            c_out, c_in = model.get_scalings(sigma)
            level = sigma * x.new_ones(len(x))
            eps = shared.sd_model.apply_model(x * c_in, model.sigma_to_t(level), cond={"c_crossattn": [cond], "c_concat": [p.image_conditioning]})
            x = x + eps * (sigma - before)
        found = x / x.std()
        heard.append(float(sigmas[-1]))
        sampler = sd_samplers.create_sampler(p.sampler_name, p.sd_model)
        start = sampler.model_wrap.get_sigmas(p.steps)
        return sampler.sample_img2img(p, p.init_latent, found - (p.init_latent / start[0]), c, uc, image_conditioning=p.image_conditioning)

    def hires(self, p, own, given):
        heard.append((tuple(given[0].shape), None if given[1] is None else (tuple(given[1].shape), float(given[1].min()) < 0)))
        if self.way == "hires around":
            return own(*given)
        found, seeds, scale = processing.DecodedSamples(), p.seeds, p.hr_scale
        for n in range(2):
            if self.way == "hires in two":
                p.hr_scale = 1.25 if n == 0 else scale
                found = own(*given)
                continue
            p.seeds = [seed + n for seed in seeds]
            found.extend(own(*given))
        p.seeds = seeds
        return found

    def both_passes(self, p, c, uc):
        p.sampler = sd_samplers.create_sampler(p.sampler_name, p.sd_model)
        first = p.sampler.sample(p, p.rng.next(), c, uc, image_conditioning=None)
        p.is_hr_pass = True
        large = torch.nn.functional.interpolate(first, size=(p.hr_upscale_to_y // 8, p.hr_upscale_to_x // 8), **{"mode": "bilinear", **p.latent_scale_mode})
        p.rng = rng.ImageRNG(large.shape[1:], p.seeds)
        p.sampler = sd_samplers.create_sampler(p.hr_sampler_name or p.sampler_name, p.sd_model)
        p.calculate_hr_conds()
        found = p.sampler.sample_img2img(p, large, p.rng.next(), p.hr_c, p.hr_uc, steps=p.hr_second_pass_steps or p.steps, image_conditioning=None)
        p.is_hr_pass = False
        return processing.DecodedSamples(processing.decode_latent_batch(p.sd_model, found))

    def init(self, p, given):
        heard.append([len(each) for each in given])
        if getattr(p, "init_latent", None) is not None:
            p.init_latent = p.init_latent * 0
