"""The few settings of PyTorch that hold for the whole process."""

from __future__ import annotations

import torch

from modules.compute.policy import ComputePolicy


def set_switches(policy: ComputePolicy) -> None:
    """Set them as ``policy`` says; idempotent."""
    torch.backends.cudnn.benchmark = policy.cudnn_benchmark
