"""The golden checkpoint, loaded once for this room."""

from __future__ import annotations

import pytest
import torch

from modules.compute.hardware import Hardware
from modules.compute.policy import ComputePolicy, policy_from_flags
from modules.library.model_file import ModelFile
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.schema.flags import Flags
from tests.golden.cases import checkpoint_path

CPU = Hardware(kind="cpu", name="test", memory_bytes=8 * 2**30, cpu_count=1, reason="A test.")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def policy() -> ComputePolicy:
    return policy_from_flags(Flags(), CPU)


@pytest.fixture(scope="session")
def golden_file() -> ModelFile:
    path = checkpoint_path()
    return ModelFile(path=path, name=path.name, kind="checkpoint", size=path.stat().st_size)


@pytest.fixture(scope="session")
def golden(golden_file: ModelFile, policy: ComputePolicy) -> Components:
    return load_checkpoint(golden_file, policy)
