"""A1111's ``modules.models.diffusion.ddpm_edit``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "LatentDiffusion DDPM DiffusionWrapper LatentDiffusionV1 Layout2ImgDiffusion")
