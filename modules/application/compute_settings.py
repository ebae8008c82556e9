"""The settings about attention and weights, on top of the machine's policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules.compute.choices import Attention
from modules.compute.policy import ComputePolicy, can_run, policy_by_settings

if TYPE_CHECKING:
    from modules.application.app import App
    from modules.application.engine_inputs import SettingsView

_TITLES = {  # A1111's, in its order; the name alone is understood as well
    Attention.XFORMERS: "xformers", Attention.FLASH: "flash - the package flash-attn", Attention.SAGE: "sage - the package sageattention",
    Attention.SPLIT: "Doggettx", Attention.SDPA_NO_MEMORY_EFFICIENT: "sdp-no-mem - scaled dot product without memory efficient attention",
    Attention.SDPA: "sdp - scaled dot product", Attention.SUB_QUADRATIC: "sub-quadratic", Attention.SPLIT_V1: "V1 - original v1",
    Attention.SPLIT_INVOKE: "InvokeAI", Attention.PLAIN: "None",
}  # fmt: skip


def job_policy(app: App, settings: SettingsView) -> ComputePolicy:
    """The machine's policy with what ``settings`` ask for."""
    return policy_by_settings(
        app.policy, app.hardware, attention=settings.get("cross_attention_optimization"), attention_float32=settings.get("upcast_attn"),
        float8=settings.get("fp8_storage"), graphs=settings.get("cuda_graphs"), compiled=settings.get("compile_model"),
        openvino=settings.get("openvino"))


def attention_titles(app: App) -> list[str]:
    """What the setting of attention offers on this machine."""
    kind = app.policy.device.partition(":")[0]
    return [title for attention, title in _TITLES.items() if can_run(attention, app.hardware, kind)]
