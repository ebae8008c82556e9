"""Fixtures shared by rooms: services with a fake engine for unit tests, the real server with A1111's tiny checkpoint for API tests."""
from __future__ import annotations

import gc
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from modules.gradio_ui import no_stubs

# how long an example takes is other processes' matter; which ones are drawn hangs on the test alone: only the long forms look for new ones
hypothesis.settings.register_profile("shared machine", deadline=None, derandomize=True)
hypothesis.settings.load_profile("shared machine")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("SD_WEBUI_RESTARTING", "1")      # servers that tests start open no browser window on a developer's screen

gc.disable()                                            # until all tests are collected: below
no_stubs.install()                                      # pyright reads the same folders meanwhile

if TYPE_CHECKING:
    import httpx

    from modules.application.app import App


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where the tests run in several processes, a file stays together, and so do all browser tests, for two browsers wait for each other, and all attacks, which share a server.

    By names, not by marks: pytest 9 does not take up the names that xdist's own grouping gives.
    """
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False      # as collected: see pytest_collection_modifyitems

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((room for room in ("browser", "security") if nodeid.startswith(f"tests/{room}/")), super()._split_scope(nodeid))

    return Scheduling(config, log)


def pytest_collection_finish() -> None:
    """Searches for unreachable objects pass over the million that the collection made and that stay: each of a test's own would take half a second and more for them."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first: the browser tests, the attacks; the other processes share out the rest meanwhile."""
    rooms = ("tests/browser/", "tests/security/")
    items.sort(key=lambda item: next((place for place, room in enumerate(rooms) if item.nodeid.startswith(room)), len(rooms)))


@pytest.fixture(autouse=True)
def nobody_copies(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test has just written and cannot be read is not watched for a second in case it grows: hundreds of damaged files are written here."""
    weights = sys.modules.get("modules.loading.weights")
    if weights and "copying" not in request.keywords:
        monkeypatch.setattr(weights, "WATCHED", 0.0)


@pytest.fixture
def three_threads() -> Iterator[None]:
    """PyTorch's, in this thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["torch", "numpy"])
def products_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, three_threads: None) -> str:
    """However little there is to compute: PyTorch's own threads, or hands with NumPy's products."""
    from modules.compute import products

    monkeypatch.setattr(products, "by_numpy", lambda: request.param == "numpy")
    monkeypatch.setattr(products, "_FEWEST_MULTIPLICATIONS", 0)
    return request.param


@dataclass(kw_only=True)
class FakeEngine:
    """Stands in for models: paints each picture in a colour made from its seed, ``steps`` steps of ``step_seconds`` each.

    fail_at: the image index before which ``failure`` is raised. started: set when a job begins. batches: the number of each one that was made. gate: cleared, it holds every step.
    """

    step_seconds: float = 0.0
    fail_at: int | None = None
    failure: BaseException = field(default_factory=lambda: RuntimeError("the engine broke"))
    started: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)
    requests: list[Any] = field(default_factory=list)
    policies: list[Any] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def load(self, _app: Any, model: Any, _settings: Any) -> Any:
        """In place of ``generation.load_checkpoint``."""
        self.loaded.append(model.name)
        return SimpleNamespace(vae_file=None, policy=None, family=SimpleNamespace(latent=SimpleNamespace(tiny="", approximation=""), is_inpainting=False, is_pix2pix=False, is_sdxl=False, vae_needs_float32=False))

    def generate(self, request: Any, components: Any, *, policy: Any, hooks: Any, progress: Any, cancel: Any, **_more: Any) -> Any:
        """In place of ``engine.generate.generate``, with its stages and its manners when interrupted."""
        from PIL import Image

        from modules.engine.hooks import GeneratedImage, GenerationResult, SamplingFacts
        from modules.engine.plan import make_plans

        self.requests.append(request)
        self.policies.append(policy)
        plans = hooks.plans_ready(make_plans(request))
        progress.begin(len(plans), len(plans) * request.batch_size)
        facts = SamplingFacts(sampler_name=request.sampler_name, schedule_name=request.schedule_name, hires_schedule_name=request.hires.schedule_name, width=request.width, height=request.height,
                              extra=(("Refiner", refiner.title), ("Refiner switch at", refiner.switch_at)) if (refiner := request.refiner).checkpoint_name else ())
        images: list[Any] = []
        for plan in plans:
            if cancel.interrupted or cancel.stopping:
                break
            progress.begin_batch(plan.index)
            if plan is not plans[-1] and (known := hooks.known(plan)):
                images += known
                continue
            self.batches.append(plan.index)
            cancel.clear_skip()
            plan = hooks.networks_active(hooks.before_batch(plan))
            complete = self._sample(request, progress, cancel)
            for planned in plan.images:
                if planned.index == self.fail_at:
                    raise self.failure
                picture = Image.new("RGB", (request.width // 8 * 8, request.height // 8 * 8), (planned.seed % 256, planned.index % 256, 77))
                images.append(hooks.composited(hooks.image_ready(GeneratedImage(
                    picture=picture, index=planned.index, seed=planned.seed, variation_seed=planned.variation_seed, prompt=planned.prompt,
                    negative_prompt=planned.negative_prompt, complete=complete, facts=facts))))
        return GenerationResult(images=tuple(images), facts=facts, interrupted=cancel.interrupted)

    def _sample(self, request: Any, progress: Any, cancel: Any) -> bool:
        for step in range(request.steps):
            self.started.set()
            while not self.gate.wait(0.005) and not cancel.interrupted and not cancel.skipped:
                pass
            if cancel.interrupted or cancel.skipped:
                return False
            time.sleep(self.step_seconds)
            progress.step(step + 1, request.steps)
            progress.offer_preview(lambda step=step: b"\x89PNG" + bytes([step % 256]))
        return True


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """``generation`` makes its pictures with a FakeEngine: no torch module is loaded or run."""
    return standing_in(monkeypatch)


def standing_in(patch: pytest.MonkeyPatch) -> FakeEngine:
    """A FakeEngine in ``generation``, for as long as ``patch`` holds."""
    from modules.application import generation

    engine = FakeEngine()
    patch.setattr(generation, "generate", engine.generate)
    patch.setattr(generation, "load_checkpoint", engine.load)
    return engine


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[Callable[..., App]]:
    """A function (*flags) -> App over one temporary data folder, which holds a checkpoint file fit for a fake engine only."""
    made: list[App] = []
    folder = with_a_checkpoint(tmp_path)

    def make(*flags: str, start: bool = True) -> App:
        made.append(app_over(folder, *flags, start=start))
        return made[-1]

    yield make
    for app in made:
        app.close()


def with_a_checkpoint(folder: Path) -> Path:
    """The folder, in which there is now a checkpoint file fit for a fake engine."""
    (folder / "models" / "Stable-diffusion").mkdir(parents=True)
    (folder / "models" / "Stable-diffusion" / "fake.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    return folder


def app_over(folder: Path, *flags: str, start: bool = True) -> App:
    from modules.application.build import build_app
    from modules.schema.flags import parse_flags

    return build_app(parse_flags(["--data-dir", str(folder), *flags], {}).flags, start=start)


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """A server on a free port of this machine. client: talks to it, without a proxy."""

    url: str
    app: App
    client: httpx.Client


@contextmanager
def served(server_app: Any, *, log_level: str = "warning", at_the_end: Callable[[], object] = lambda: None) -> Iterator[str]:
    """The address of ``server_app``, an ASGI application, on a free port until the block ends. at_the_end: what lets its open answers go, called once it takes no new requests."""
    import uvicorn

    bound = socket.socket(proto=socket.IPPROTO_TCP)     # named: asyncio sends small answers of other sockets 40 ms late
    bound.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(server_app, log_level=log_level, timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        at_the_end()
        thread.join(10)


def serve(app: App, *, full: bool = True) -> Iterator[RunningServer]:
    """Serve ``app``'s API (without the page) until the generator is closed."""
    import httpx
    from fastapi import FastAPI

    from modules.rest_api.build import add_api

    server_app = FastAPI(title="Stable Diffusion web UI")
    add_api(server_app, app, full=full)
    # verify=False: no certificates are read for an address without TLS
    with served(server_app, at_the_end=app.close) as url, httpx.Client(base_url=url, timeout=120, trust_env=False, verify=False) as client:
        yield RunningServer(url=url, app=app, client=client)


@pytest.fixture
def fake_server(make_app: Callable[..., App], fake_engine: FakeEngine) -> Iterator[RunningServer]:
    """The real API over a fake engine: quick, and it does as it is told."""
    yield from serve(make_app("--api"))


@pytest.fixture(scope="module")
def kept_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """As ``fake_server``, one for all those tests of a file that leave it as it was: they take a tenth of the time."""
    with pytest.MonkeyPatch.context() as patch:
        standing_in(patch)
        yield from serve(app_over(with_a_checkpoint(tmp_path_factory.mktemp("kept")), "--api"))


@pytest.fixture(scope="session")
def running_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The real API with the real engine and A1111's tiny golden checkpoint."""
    import torch

    from modules.application.build import build_app
    from modules.schema.flags import parse_flags
    from tests.golden.cases import data_dir, flags_over

    torch.set_num_threads(1)
    flags = ["--data-dir", str(tmp_path_factory.mktemp("server")), *flags_over(data_dir()), "--no-half", "--api"]
    yield from serve(build_app(parse_flags(flags, {}).flags))
