"""A1111's ``modules.sd_samplers_kdiffusion``."""
from modules.a1111.kdiffusion import CFGDenoiser, CFGDenoiserKDiffusion, KDiffusionSampler
from modules.a1111.kdiffusion_names import EXTRA_PARAMS, NAMES
from modules.a1111.sampler_list import all_samplers_map as k_diffusion_samplers_map
from modules.a1111.sampler_list import k_diffusion_samplers, schedulers_map as k_diffusion_scheduler
from modules.a1111.stubs import stubbed

samplers_k_diffusion: list = [(own, name, list(k_diffusion_samplers_map[own].aliases), dict(k_diffusion_samplers_map[own].options)) for name, own in NAMES.items()]
samplers_data_k_diffusion: list = k_diffusion_samplers()
sampler_extra_params: dict = {name: list(params) for name, params in EXTRA_PARAMS.items()}
