"""One side of the speed comparison in a process of its own: ours as a whole program, or a plain diffusers pipeline with the same weights.

    python -m tests.bench.speed_side ours|diffusers CHECKPOINT [--device cuda] [FLAGS OF OURS]
reads one drawing order per line as JSON, and answers each with what it took. ``Side`` drives it from outside.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.bench.first_picture import Clock
from tests.bench.load_memory import peak_bytes

TOKENIZER = Path(__file__).parents[2] / "modules" / "loading" / "configs" / "clip_tokenizer"
GUIDANCE = 7.0


@dataclass(frozen=True, kw_only=True)
class Order:
    """A square picture to draw with Euler; ``side`` in pixels. settles: seconds for which what goes on behind it (compiling) is waited for."""

    side: int
    steps: int
    seed: int
    batch: int = 1
    settles: float = 0.0

    @property
    def prompt(self) -> str:
        return f"a red potion number {self.seed} on a blue background"       # never the same twice: nothing of it is known before


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Seconds of one order: wall, of the processor (all threads), inside UNet, VAE and text encoder. peak: bytes of the process, or of the GPU, so far.

    held: with what PyTorch keeps of the GPU's for later. compiled: for how many kinds of call the model is.
    """

    wall: float
    cpu: float
    inside: float
    peak: int
    held: int = 0
    compiled: int = 0


class Side:
    """``with Side("ours", path) as side: side.draw(...)``. The process rests between orders."""

    def __init__(self, way: str, path: Path, *, device: str = "cpu", flags: Sequence[str] = ()) -> None:
        command = [sys.executable, "-m", "tests.bench.speed_side", way, str(path), "--device", device, *flags]
        self._said = tempfile.TemporaryFile("w+")   # noqa: SIM115 (closed at the end)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True)
        self._is_ready = False

    def ready(self) -> None:
        """It was started, and its model is loaded."""
        if not self._is_ready:
            self._answer()
            self._is_ready = True

    def draw(self, order: Order) -> Taken:
        self.ready()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return Taken(**self._answer())

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):                # whatever else is said there is for people
                return json.loads(line)
        code = self._process.wait()
        self._said.seek(0)
        raise RuntimeError(f"{' '.join(map(str, self._process.args))} ended with {code}:\n{self._said.read()[-2000:]}")  # type: ignore[arg-type]

    def __enter__(self) -> Side:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        self._said.close()


Drawer = Callable[[Order], object]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """device: "cpu", or "cuda" in float16. flags: of ours, as "--medvram"; "--compiled" and "--openvino=..." are settings. data: a folder for pictures."""

    path: Path
    data: Path
    device: str
    flags: tuple[str, ...]
    clock: Clock


def ours(setting: Setting) -> Drawer:
    """From the request to the saved picture, as the API has it."""
    from modules.schema.flags import parse_flags
    from webui import set_environment

    own_flags = [flag for flag in setting.flags if flag != "--compiled" and not flag.startswith("--openvino=")]
    openvino = next((flag.partition("=")[2] for flag in setting.flags if flag.startswith("--openvino=")), "Off")
    path, on_cpu = setting.path, ("--use-cpu", "all") if setting.device == "cpu" else ()
    flags = parse_flags(["--data-dir", str(setting.data), "--ckpt", str(path), "--ckpt-dir", str(path.parent), *on_cpu, *own_flags], {}).flags
    set_environment(os.environ, flags)              # as whoever starts the program has it: before torch is imported
    from modules.application.build import build_app
    from modules.application.generation import chosen_checkpoint, generate_blocking, load_checkpoint
    from modules.compute.one_core import OneCore
    from modules.schema.request import Txt2ImgRequest

    app = build_app(flags)
    app.settings.update({"compile_model": "--compiled" in setting.flags, "openvino": openvino})
    components = app.jobs.call(lambda: load_checkpoint(app, chosen_checkpoint(app, path.name, strict=True), app.settings))
    if setting.device == "cpu":                     # a GPU works on when the call is over
        decoder = dict(components.vae.named_children())["decoder"]      # asking for it by its name would keep its weights in memory
        watched = (decoder, *(encoder.built for encoder in components.text_encoders))
        for owner in watched if isinstance(components.calls, OneCore) or openvino != "Off" else (components.unet, *watched):      # a small one that is listened to is not drawn as users have it
            setting.clock.watch(owner, "forward")

    def draw(order: Order) -> object:
        found = generate_blocking(app, Txt2ImgRequest.from_flat({
            "prompt": order.prompt, "steps": order.steps, "cfg_scale": GUIDANCE, "width": order.side, "height": order.side, "seed": order.seed,
            "batch_size": order.batch, "sampler_name": "Euler", "save_images": True,
        }))  # fmt: skip
        compiled, end = components.compiled, time.monotonic() + order.settles
        while any(getattr(each, "is_busy", False) for each in (compiled, components.calls)) and time.monotonic() < end:
            time.sleep(0.1)
        return found if compiled is None else compiled.ready

    return draw


def plain_diffusers(setting: Setting) -> Drawer:
    """The pipeline as its documentation shows it, over the same weights; the picture is saved too."""
    pipeline = pipeline_of(setting.path, setting.device)
    for owner in (pipeline.unet, pipeline.vae.decoder, pipeline.text_encoder) if setting.device == "cpu" else ():  # a GPU works on when the call is over
        setting.clock.watch(owner, "forward")

    def draw(order: Order) -> object:
        import torch

        found = pipeline(
            order.prompt, height=order.side, width=order.side, num_inference_steps=order.steps, guidance_scale=GUIDANCE,
            num_images_per_prompt=order.batch, generator=torch.Generator().manual_seed(order.seed),
        )  # fmt: skip
        for number, picture in enumerate(found.images):
            picture.save(setting.data / f"{order.seed}-{number}.png")
        return found

    return draw


def pipeline_of(path: Path, device: str) -> Any:
    """diffusers' own modules, built from the configs that we read off the file and filled with the weights that we read."""
    import torch
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline
    from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
    from transformers import CLIPTextModelWithProjection, CLIPTokenizer

    components = components_of(path, device)
    unet, vae = plain_models(components)

    def tokenizer() -> Any:
        return CLIPTokenizer.from_pretrained(TOKENIZER, local_files_only=True)

    texts = [encoder.module for encoder in components.text_encoders]
    parts: dict[str, Any] = {
        "unet": unet, "vae": vae, "tokenizer": tokenizer(), "text_encoder": texts[0],
        "scheduler": EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"), "feature_extractor": None,
    }  # fmt: skip
    if len(texts) == 2:
        with torch.device("meta"):
            second = CLIPTextModelWithProjection(texts[1].config)  # type: ignore[arg-type]
        own = texts[1].state_dict()                 # the projection apart, under a name of its own there
        second.load_state_dict({name if name.startswith("text_projection") else f"text_model.{name}": tensor for name, tensor in own.items()}, assign=True)
        pipeline: Any = StableDiffusionXLPipeline(**{key: part for key, part in parts.items() if key != "feature_extractor"}, text_encoder_2=second, tokenizer_2=tokenizer())
    else:
        pipeline = StableDiffusionPipeline(**parts, safety_checker=None, requires_safety_checker=False)  # type: ignore[arg-type]
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def plain_models(components: Any) -> tuple[Any, Any]:
    """diffusers' own UNet and VAE with the weights of ours."""
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    def plain(kind: Any, ours: Any) -> Any:
        with torch.device("meta"):
            module = kind.from_config(ours.config)
        module.load_state_dict(ours.state_dict(), assign=True)
        return module.requires_grad_(False).eval()

    return plain(UNet2DConditionModel, components.unet), plain(AutoencoderKL, components.vae)


def components_of(path: Path, device: str) -> Any:
    from modules.compute.hardware import probe
    from modules.compute.policy import policy_from_flags
    from modules.library.model_file import ModelFile
    from modules.loading.checkpoint import load_checkpoint
    from modules.schema.flags import parse_flags

    policy = policy_from_flags(parse_flags(["--use-cpu", "all"] if device == "cpu" else [], {}).flags, probe())
    return load_checkpoint(ModelFile(path=path, name=path.name, kind="checkpoint", size=path.stat().st_size), policy)


WAYS = {"ours": ours, "diffusers": plain_diffusers}


def gpu_peak_bytes() -> tuple[int, int]:
    """(in use, held for later)."""
    from torch import cuda

    return cuda.max_memory_allocated(), cuda.max_memory_reserved()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=[*WAYS])
    parser.add_argument("path", type=Path)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    options, flags = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="speed-") as folder:
        clock = Clock()
        draw = WAYS[options.way](Setting(path=options.path, data=Path(folder), device=options.device, flags=tuple(flags), clock=clock))
        print("{}", flush=True)
        for line in sys.stdin:
            order, inside = Order(**json.loads(line)), clock.seconds
            wall, cpu = time.perf_counter(), time.process_time()
            found = draw(order)
            used = gpu_peak_bytes() if options.device == "cuda" else (peak_bytes(), 0)
            taken = Taken(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu, inside=clock.seconds - inside, peak=used[0], held=used[1],
                          compiled=found if isinstance(found, int) else 0)  # fmt: skip
            print(json.dumps(asdict(taken)), flush=True)


if __name__ == "__main__":
    main()
