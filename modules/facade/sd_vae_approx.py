"""A1111's ``modules.sd_vae_approx``."""
from modules.a1111.model_data import cheap_approximation
from modules.a1111.stubs import stubbed

sd_vae_approx_models: dict = {}
__getattr__ = stubbed(__name__, "VAEApprox download_model model")
