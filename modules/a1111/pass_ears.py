"""What extensions hear and change while a pass samples: the part of a run's bridge around each call of the model."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from modules.a1111 import callbacks
from modules.a1111.callback_params import ExtraNoiseParams
from modules.a1111.denoiser_callbacks import after_guidance, after_model, before_model, listened, store
from modules.a1111.live_sampler import LiveSampler
from modules.a1111.lora_names import live_networks
from modules.a1111.picture_ears import PictureEars
from modules.a1111.script import MaskBlendArgs
from modules.a1111.state import state
from modules.a1111.timestep_form import TimestepForm, form_of
from modules.engine.guidance import first_parts
from modules.engine.hooks import DenoiserCall, MaskBlend

if TYPE_CHECKING:
    from torch import Tensor

    from modules.a1111.lora_live import LiveNetworks
    from modules.engine.guidance import RowWeights
    from modules.engine.sampler_contract import SamplerSpec, StepInfo, StepNoise


class PassEars(PictureEars):
    """Of one run of ``p``."""

    def __init__(self, p: Any) -> None:
        super().__init__(p)
        self._sampler: LiveSampler | None = None
        self._loras: LiveNetworks | None = None
        self._rows: Any = None      # of the call at work
        self._weights: RowWeights = ()
        self._form: TimestepForm | None = None

    def _make_sampler(self) -> None:
        self.use_sampler(LiveSampler(self.p, hires=self.p.is_hr_pass))
        if self.p.is_hr_pass:
            self._sampler.seed()        # type: ignore[union-attr]

    def _take_sampler(self) -> None:
        """img2img's is there since the run began, unless a script put its own on ``p``; txt2img makes one for each pass."""
        made = self.p.sampler
        if not self.writer.request.is_img2img or made is None:
            self._make_sampler()
        elif self._sampler is None or made is not self._sampler.made:
            self.use_sampler(LiveSampler(self.p, hires=False, made=made))
        self._sampler.seed()            # type: ignore[union-attr]

    def use_sampler(self, sampler: LiveSampler) -> None:
        """Of the pass that is about to begin."""
        self._sampler, self.p.sampler = sampler, sampler.made

    def sampler(self, spec: SamplerSpec, *, hires: bool) -> SamplerSpec:
        if self._sampler is None:
            return spec
        self._sampler.begin(self._pass_start(), hires=hires)
        return self._sampler.spec(spec)

    def _pass_start(self) -> Any:
        """The latents that the pass goes on from, None for one from noise alone."""
        return None

    def path_noise(self, x: Tensor, sigmas: Tensor) -> StepNoise | None:
        return None if self._sampler is None else self._sampler.path_noise(x, sigmas)

    def guidance(self, scale: float) -> float:
        """``p.cfg_scale`` as it stands when the pass begins: scripts change it for the hires pass alone."""
        with self.told("p.cfg_scale"):
            scale = scale if self.p.scripts is None else float(self._sampled_p.cfg_scale)
        return scale

    def sigmas(self, steps: int) -> Tensor | None:
        """By ``p.sampler_noise_scheduler_override``."""
        asked, found = getattr(self._sampled_p, "sampler_noise_scheduler_override", None), None
        if asked is not None:
            with self.told("p.sampler_noise_scheduler_override"):
                found = torch.as_tensor(asked(steps)).detach().float().cpu().flatten()
        return found

    @property
    def _sampled_p(self) -> Any:
        """Whose pass it is: extensions hand samplers copies of ``p``."""
        return self.p if self._sampler is None else self._sampler.p

    def combined(self, call: DenoiserCall, rows: Tensor, weights: RowWeights, guidance_scale: float) -> Tensor | None:
        self._rows, self._weights = rows, weights
        return None if self._sampler is None else self._sampler.combined(call, rows, weights, guidance_scale, self._form)

    def prediction(self, predictor: Any) -> Any:
        return predictor if self._sampler is None else self._sampler.prediction(predictor)

    def stepped(self, step: StepInfo) -> None:
        state.sampling_step = step.counted
        if self._sampler is not None:
            self._sampler.stepped(step)

    def denoiser_input(self, call: DenoiserCall) -> DenoiserCall:
        if self._sampler is not None:
            self._sampler.at(call)
        self._form = form_of(call)
        found = before_model(self.p, call, self._form)
        self._take_loras()
        return found

    def _show_loras(self) -> None:
        if self._loras is None and self.networks is not None:
            self._loras = live_networks(self.networks)
        if self._loras is not None:
            self._loras.show()

    def _take_loras(self) -> None:
        """What scripts made of ``networks.loaded_networks``."""
        if self._loras is not None:
            with self.told("the list of loaded LoRAs"):
                self._loras.take()

    def denoised(self, call: DenoiserCall, rows: Tensor) -> Tensor:
        if not listened("cfg_denoised") and self._form is None:
            return rows
        with nullcontext() if self._sampler is None else self._sampler.once_more(call) as model:
            return after_model(call, rows, model, self._form)

    def guided(self, call: DenoiserCall, denoised: Tensor) -> Tensor:
        """Previews show the prompt's own prediction, by the settings another, before on_cfg_after_cfg."""
        prompt = first_parts(self._rows[: len(call.cond)], self._weights)
        if self._sampler is not None:
            self._sampler.called(call, prompt)
        content = self.writer.request.preview.content
        uncond = prompt if call.uncond is None else self._rows[-len(denoised):]
        store({"Prompt": prompt, "Negative prompt": uncond}.get(content, denoised))
        return after_guidance(call, denoised, self._weights, self._form)

    def blended(self, blend: MaskBlend) -> Tensor:
        """on_mask_blend."""
        if self.p.scripts is None or not self.p.scripts.ordered_scripts("on_mask_blend"):
            return blend.blended
        p, final = self.p, blend.level is None
        sigma = None if blend.level is None else torch.full((len(blend.latent),), blend.level, device=blend.latent.device)
        args = MaskBlendArgs(blend.latent, p.nmask, blend.kept, p.mask, blend.blended, None if final else self._denoiser, sigma)
        self.p.scripts.on_mask_blend(p, args)
        found = args.blended_latent
        return found if isinstance(found, torch.Tensor) and found.shape == blend.blended.shape else blend.blended

    @property
    def _denoiser(self) -> Any:
        made = None if self._sampler is None else getattr(self._sampler.made, "model_wrap_cfg", None)
        return self if made is None else made

    def extra_noise(self, noise: Tensor, start: Tensor, noised: Tensor) -> Tensor:
        """on_extra_noise."""
        if not listened("extra_noise"):
            return noise
        params = ExtraNoiseParams(noise.clone(), start, noised)
        callbacks.extra_noise_callback(params)
        return params.noise
