"""A1111's ``modules.sd_samplers_kdiffusion``."""
from modules.a1111.kdiffusion import CFGDenoiser, CFGDenoiserKDiffusion, KDiffusionSampler
from modules.a1111.sampler_list import schedulers_map as k_diffusion_scheduler
from modules.a1111.sampler_list import all_samplers_map as k_diffusion_samplers_map
from modules.a1111.sampler_list import k_diffusion_samplers
from modules.a1111.stubs import stubbed

samplers_k_diffusion: list = []
samplers_data_k_diffusion: list = k_diffusion_samplers()
sampler_extra_params: dict = {"sample_euler": ["s_churn", "s_tmin", "s_tmax", "s_noise"]}
k_diffusion_samplers_map = k_diffusion_samplers_map
