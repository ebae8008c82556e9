"""A loaded model: its torch modules, the text encoders' tokenizers, and its noise schedule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from modules.compute.placement import KeepResident, Placement, is_on
from modules.families.family import ModelFamily, Prediction, TextEncoderSpec
from modules.library.model_file import ModelFile
from modules.loading.unread import Unread, forget_unread, put_back

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from torch import nn

    from modules.compute.compiled import Compiled
    from modules.compute.policy import ComputePolicy
    from modules.compute.replay import Calls

TIMESTEPS = 1000
_ZERO_SNR_LAST_ALPHA = 4.8973451890853435e-08       # A1111's last alpha: 0 would make sigma infinite


@dataclass(frozen=True, kw_only=True)
class TextEncoder:
    """One text encoder with its tokenizer (transformers' CLIPTokenizer or a Tokenizer of tokenizers; the vocabularies ship with us).

    built: a CLIPTextModel, with the projection of its pooled output as ``text_projection``; a T5EncoderModel, Qwen2Model or Qwen3Model.
    unread: its weights, where they are read when ``module`` is first asked for.
    """

    built: nn.Module
    tokenizer: Any
    spec: TextEncoderSpec
    unread: Unread | None = None

    @property
    def module(self) -> nn.Module:
        """The encoder with its weights. Raises CannotLoad where they are to be read now and cannot."""
        if self.unread is not None:
            self.unread.read()
        return self.built

    def kept(self) -> nn.Module:
        """``module`` for somebody who holds on to it or to its parts: its weights stay from now on."""
        if self.unread is not None:
            self.unread.keep()
        return self.built

    def put_back(self) -> None:
        """The prompts are encoded: where memory is the processor's, weights that came out of the file as they are wait there for the next ones."""
        if self.unread is not None:
            self.unread.put_back()

    @property
    def width(self) -> int:
        """Values per token that it takes, which is what embeddings are made for."""
        return self.built.get_input_embeddings().weight.shape[1]    # type: ignore[operator, union-attr]


@dataclass(frozen=True, kw_only=True)
class Components:
    """Everything one checkpoint needs to draw. Another VAE makes another Components that shares the rest.

    alphas_cumprod: (1000,) float32, on the CPU.
    placement: brings a part to the device whenever it is called; for other work on it, ``placement.resident(part)``.
    unet: the denoiser; a transformer in flow models.
    calls: what can be called in place of the UNet, where it is on a GPU as a whole; it asks ``compiled``.
    policy: what it was loaded under, its family's needs and the room that was found merged in; None: nobody says.
    vae_file: the file the VAE came from; None: the checkpoint's own. own_vae_file: that of a checkpoint that comes without one.
    """

    checkpoint: ModelFile
    family: ModelFamily
    prediction: Prediction
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoders: tuple[TextEncoder, ...]
    alphas_cumprod: Tensor
    placement: Placement = field(default_factory=KeepResident)
    policy: ComputePolicy | None = None
    calls: Calls | None = None
    compiled: Compiled | None = None
    vae_file: ModelFile | None = None
    own_vae_file: ModelFile | None = None

    def attached(self) -> Components:
        """This, with every part under its placement's care."""
        *texts, unet, _ = self.built_modules() if self.placement.keeps_all else self.modules()      # what moves has to be there
        for part in texts:
            self.placement.attach(part)
        self.placement.attach(unet, left=self.forget_recordings)
        self.attach_vae()
        return self

    def attach_vae(self) -> None:
        """A VAE is entered by its halves, not by a call of its own."""
        if self.placement.keeps_all:                # nothing to do, and its encoder need not be read for it
            return
        halves = (self.vae.encoder, self.vae.quant_conv, self.vae.post_quant_conv, self.vae.decoder)
        self.placement.attach(self.vae, *(half for half in halves if half is not None))

    def gather(self) -> None:
        """Where all parts stay on the device: bring back those that are not there, because memory ran out before. May raise what says that it does again."""
        if self.placement.keeps_all and self.placement.device.type != "cpu":
            for part in self.built_modules():
                if not is_on(part, self.placement.device):
                    part.to(self.placement.device)

    def modules(self) -> tuple[nn.Module, ...]:
        """Every torch module with its weights, which stay, in the order in which a picture needs them. Raises CannotLoad where some are to be read now and cannot."""
        self.keep_text_encoders()
        self.read_vae_encoder()
        getattr(self.vae, "decoder", None)
        return self.built_modules()

    def keep_text_encoders(self) -> None:
        """For somebody who holds on to their parts. Raises CannotLoad where weights are to be read now and cannot."""
        for encoder in self.text_encoders:
            encoder.kept()

    def read_vae_encoder(self) -> None:
        """Now, where it still waits in its file. Raises CannotLoad where it cannot be read."""
        getattr(self.vae, "encoder", None)          # asking for it reads it (unread.py)

    def put_vae_back(self) -> None:
        """Pictures are encoded, latents decoded: as ``TextEncoder.put_back``."""
        put_back(self.vae)

    def built_modules(self) -> tuple[nn.Module, ...]:
        """The same modules; on the meta device what is not read yet."""
        return (*(encoder.built for encoder in self.text_encoders), self.unet, self.vae)

    def forget_recordings(self) -> None:
        """Give back the memory of recorded calls: it is needed for something else, or the weights are about to move."""
        if self.calls is not None:
            self.calls.forget()

    def forget_unread(self) -> None:
        """What is not read yet will not be: the model is let go."""
        for encoder in self.text_encoders:
            if encoder.unread is not None:
                encoder.unread.forget()
        forget_unread(self.vae)


def scaled_linear_alphas(betas: tuple[float, float]) -> Tensor:
    """alphas_cumprod (1000,) float32 of the schedule whose square roots of beta run evenly between ``betas``.

    Computed in float64, as the original code does: the sigmas differ in the last digits otherwise.
    """
    first, last = betas
    steps = torch.linspace(first**0.5, last**0.5, TIMESTEPS, dtype=torch.float64) ** 2
    return torch.cumprod(1.0 - steps, dim=0).to(torch.float32)


def with_zero_terminal_snr(alphas_cumprod: Tensor) -> Tensor:
    """The schedule (N,) stretched so that its last step is pure noise; one that is so already stays as it is.

    Source: Lin et al. 2023, "Common diffusion noise schedules and sample steps are flawed" (arXiv:2305.08891).
    """
    if float(alphas_cumprod[-1]) <= _ZERO_SNR_LAST_ALPHA * 1.001:
        return alphas_cumprod
    roots = alphas_cumprod.sqrt()
    first, last = roots[0].clone(), roots[-1].clone()
    stretched = ((roots - last) * (first / (first - last))) ** 2
    stretched[-1] = _ZERO_SNR_LAST_ALPHA
    return stretched


def size_in_bytes(modules: tuple[nn.Module, ...]) -> int:
    """What the weights of ``modules`` take."""
    return sum(parameter.nbytes for module in modules for parameter in module.parameters())
