"""What other programs call the samplers and schedules, and what they are called here."""

from __future__ import annotations

SAMPLERS = {
    "euler": "Euler", "euler_a": "Euler a", "euler_ancestral": "Euler a", "euler ancestral": "Euler a", "heun": "Heun", "heunpp2": "HeunPP2", "lms": "LMS", "plms": "PLMS",
    "ddim": "DDIM", "lcm": "LCM", "tcd": "TCD", "deis": "DEIS", "ipndm": "IPNDM", "uni_pc": "UniPC", "unipc": "UniPC", "uni_pc_bh2": "UniPC",
    "dpm2": "DPM2", "dpm_2": "DPM2", "kdpm_2": "DPM2", "dpm2_a": "DPM2 a", "dpm_2_a": "DPM2 a", "kdpm_2_a": "DPM2 a", "dpm_2_ancestral": "DPM2 a",
    "dpm_fast": "DPM fast", "dpm_adaptive": "DPM adaptive", "dpmpp_2": "DPM++ 2M", "dpmpp_2m": "DPM++ 2M", "dpmpp_sde": "DPM++ SDE", "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2m_sde_heun": "DPM++ 2M SDE Heun", "dpmpp_3m_sde": "DPM++ 3M SDE", "dpmpp_2s": "DPM++ 2S a", "dpmpp_2s_a": "DPM++ 2S a", "dpmpp_2s_ancestral": "DPM++ 2S a",
    "res_multistep": "Res Multistep", "res_multistep_ancestral": "Res Multistep a", "er_sde": "ER SDE", "gradient_estimation": "Gradient Estimation",
}  # fmt: skip
SCHEDULES = {
    "karras": "Karras", "exponential": "Exponential", "polyexponential": "Polyexponential", "sgm_uniform": "SGM Uniform", "simple": "Simple", "normal": "Normal", "beta": "Beta",
    "ddim_uniform": "DDIM", "kl_optimal": "KL Optimal", "align_your_steps": "Align Your Steps",
}  # fmt: skip


def sampler_and_schedule(name: str) -> tuple[str, str]:
    """("dpmpp_2m_sde_k") -> ("DPM++ 2M SDE", "Karras"). A name that is none of the others' stays as it is; no schedule: "".

    InvokeAI has "_k" for Karras' schedule, ComfyUI "_gpu" for where the noise is drawn; older programs begin with "k_".
    """
    wanted = name.strip().lower().removeprefix("k_").removesuffix("_gpu")
    if wanted in SAMPLERS:
        return SAMPLERS[wanted], ""
    if wanted.endswith("_k") and wanted[:-2] in SAMPLERS:
        return SAMPLERS[wanted[:-2]], SCHEDULES["karras"]
    return name.strip(), ""


def schedule_label(name: str) -> str:
    """The schedule's label here, "" for one that is not."""
    return SCHEDULES.get(name.strip().lower().replace(" ", "_"), "")
