"""``python -m tests.soak``: a real server under random valid traffic for as long as asked, with interrupts, swaps of models and kill -9.

Every finished picture is compared with the one that a fresh server made of the same request; no job may be lost; memory, threads and
open files must stay where they were after warming up. Prints a table; the exit code is 1 when something was lost, wrong or growing.
The first 40 % of the time have the kills, the rest is one undisturbed life, in which growth is measured: once a minute the traffic is held, and the server's
memory is read when its queue is empty and its models are unloaded. Under traffic one model or two are loaded (34 MB each), as the random settings have it,
so that what is read there differs by more than any growth; it stands in the table too.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests.soak_server import SoakServer, resident_megabytes, status_of

SLOPE_LIMIT = 2.0               # MB per 1,000 jobs
REST_EVERY = 60.0               # seconds of the undisturbed life between two looks at the server at rest
WARM_UP = 600                   # jobs of a life that are not part of the fit: until then the history of 500 jobs fills
FEWEST = 600                    # jobs behind them that make a slope worth the name
_EXPECTED = re.compile(r"interrupt|was interrupted", re.IGNORECASE)     # what a log may say of trouble that we made
_TROUBLE = re.compile(r"Traceback|Exception|\berror\b|failed|not saved|cannot", re.IGNORECASE)
_FINAL = ("done", "failed", "interrupted", "set_aside")


def request_kinds() -> dict[str, tuple[str, dict[str, Any]]]:
    """name -> (route, values): every kind of request, each with its own seed."""
    rng = np.random.default_rng(7)
    source = Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8), "RGB")
    mask = Image.new("L", (64, 64))
    mask.paste(255, (16, 16, 48, 48))
    small: dict[str, Any] = {"steps": 3, "width": 64, "height": 64, "sampler_name": "Euler", "cfg_scale": 6}
    text = [
        {}, {"prompt": "a cat"}, {"prompt": "a cat", "negative_prompt": "text", "sampler_name": "Euler a"}, {"prompt": "a dog", "sampler_name": "DPM++ 2M", "scheduler": "Karras"},
        {"prompt": "two", "batch_size": 2}, {"prompt": "rows", "n_iter": 2}, {"prompt": "wide", "width": 96, "height": 64}, {"prompt": "a [cat|dog] (loud:1.3)"},
        {"prompt": "lora <lora:tiny-lora:1>"}, {"prompt": "lora <lora:tiny-lora:0.5>"}, {"prompt": "a tiny-emb cat"}, {"prompt": "red AND blue"},
        {"prompt": "hires", "enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent", "denoising_strength": 0.6},
        {"prompt": "hires", "enable_hr": True, "hr_scale": 2, "hr_upscaler": "Lanczos", "denoising_strength": 0.5},
        {"prompt": "other", "override_settings": {"sd_model_checkpoint": "other"}}, {"prompt": "vae", "override_settings": {"sd_vae": "bright.vae.safetensors"}},
        {"prompt": "other lora <lora:tiny-lora:1>", "override_settings": {"sd_model_checkpoint": "other", "sd_vae": "dark.vae.safetensors"}},
        {"prompt": "varied", "subseed": 5, "subseed_strength": 0.4}, {"prompt": "tiled", "tiling": True}, {"prompt": "ddim", "sampler_name": "DDIM"},
        {"prompt": "refined", "refiner_checkpoint": "other", "refiner_switch_at": 0.5}, {"prompt": "clip", "override_settings": {"CLIP_stop_at_last_layers": 2}},
    ]  # fmt: skip
    picture = [
        {"prompt": "again", "denoising_strength": 0.6}, {"prompt": "inpaint", "mask": mask, "inpainting_fill": 1, "denoising_strength": 0.8},
        {"prompt": "only masked", "mask": mask, "inpaint_full_res": True, "denoising_strength": 0.7}, {"prompt": "two", "batch_size": 2},
        {"prompt": "lora <lora:tiny-lora:1>"}, {"prompt": "other", "override_settings": {"sd_model_checkpoint": "other"}},
    ]  # fmt: skip
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for number, values in enumerate(text):
        found[f"txt2img {number:02} {values.get('prompt', '')}"] = "/sdapi/v1/txt2img", {**small, "seed": 100 + number, **values}
    for number, values in enumerate(picture):
        encoded = {key: _as_base64(value) if isinstance(value, Image.Image) else value for key, value in values.items()}
        found[f"img2img {number:02} {values['prompt']}"] = "/sdapi/v1/img2img", {**small, "seed": 200 + number, "init_images": [_as_base64(source)], **encoded}
    for number, upscaler in enumerate(("Lanczos", "Nearest")):
        found[f"extras {number:02} {upscaler}"] = "/sdapi/v1/extra-single-image", {"image": _as_base64(source), "upscaling_resize": 2, "upscaler_1": upscaler}
    return found


def as_sent(path: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Saved, so that a killed server's pictures can be compared; with it come the grids of several."""
    return {**values} if path.endswith("single-image") else {**values, "save_images": True}


def _as_base64(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def pictures_of(body: Mapping[str, Any]) -> list[bytes]:
    """The pixels of each picture of an answer."""
    encoded = body.get("images") or ([body["image"]] if body.get("image") else [])
    return [Image.open(io.BytesIO(base64.b64decode(each))).convert("RGB").tobytes() for each in encoded]


@dataclass(kw_only=True)
class Sent:
    """A job that was sent. stopped: somebody interrupted it. known: the server was seen to have it. cut_off: its caller got no answer; settled: its end is known."""

    kind: str
    stopped: bool = False
    known: bool = False
    cut_off: bool = False
    settled: bool = False


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The server at one moment of a life. jobs: ended in this life so far. own: the part of megabytes that is no mapped file. at_rest: nothing was in line, no model was loaded."""

    life: int
    jobs: int
    megabytes: float
    files: int
    threads: int
    own: float = 0.0
    at_rest: bool = False


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Per 1,000 jobs, its standard error as if the samples knew nothing of each other, and over how many jobs and samples it was fitted."""

    slope: float = 0.0
    error: float = 0.0
    jobs: int = 0
    samples: int = 0


@dataclass(kw_only=True)
class Findings:
    """What was seen. Everything that should be empty stands in ``wrong``."""

    sent: dict[str, Sent] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    kills: int = 0
    swaps: int = 0
    stops: int = 0
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    lock: threading.Lock = field(default_factory=threading.Lock)


class Soak:
    """One run."""

    def __init__(self, server: SoakServer, wanted: Mapping[str, list[bytes]], seed: int) -> None:
        self.server, self.wanted, self.seed = server, wanted, seed
        self.kinds = request_kinds()
        self.found = Findings()
        self.stop, self.away = threading.Event(), threading.Event()
        self.life, self.ended = 0, 0
        self.turns = [threading.Lock() for _ in range(5)]       # each held by one sender while its request is under way

    def run(self, seconds: float, kill_every: float) -> None:
        self.server.start()
        workers = [threading.Thread(target=self._client, args=(number,), daemon=True) for number in range(3)]
        workers += [threading.Thread(target=each, daemon=True) for each in (self._stopper, self._swapper, self._sampler)]
        for each in workers:
            each.start()
        began = last = rested = time.monotonic()
        draw = random.Random(f"{self.seed} kills")
        while time.monotonic() - began < seconds:
            time.sleep(0.5)
            if time.monotonic() - last > kill_every * draw.uniform(0.6, 1.4) and time.monotonic() - began < seconds * 0.4:
                self._kill()
                last = time.monotonic()
            elif time.monotonic() - began > seconds * 0.4 and time.monotonic() - rested > REST_EVERY:
                self._rest()
                rested = time.monotonic()
        self.stop.set()
        for each in workers:
            each.join(120)
        self.server.wait_until_idle()
        self._settle()

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Nobody sends anything, and what was sent is answered."""
        self.away.set()
        try:
            with ExitStack() as stack:
                for each in self.turns:
                    stack.enter_context(each)
                self.server.wait_until_idle()
                yield
        finally:
            self.away.clear()

    def _rest(self) -> None:
        """The same request each time, then nothing is loaded: what is held now should be what was held then."""
        kind = next(iter(self.kinds))
        path, values = self.kinds[kind]
        with suppress(httpx.TimeoutException), self._held():      # a machine that is that busy is asked again in a minute
            answer = self.server.post(path, as_sent(path, values))
            if answer.status_code != 200 or pictures_of(answer.json()) != self.wanted[kind]:
                self.found.wrong["wrong pictures"].append(f"at rest: {kind}: {answer.status_code}")
            self.server.post("/sdapi/v1/unload-checkpoint", {})
            time.sleep(1)
            self._sample(at_rest=True)
        told = growth(self.found.samples, "megabytes", at_rest=True)
        sys.stderr.write(f"at rest: {self.found.samples[-1]}; {len(self.found.sent)} jobs sent, {told.slope:+.2f} +- {told.error:.2f} MB per 1,000\n")

    def _client(self, number: int) -> None:
        draw, count = random.Random(f"{self.seed} client {number}"), 0
        while not self.stop.is_set():
            if self.away.is_set():
                time.sleep(0.05)
                continue
            count += 1
            kind = draw.choice(list(self.kinds))
            path, values = self.kinds[kind]
            name = f"c{number}-{count}"
            is_job = not path.endswith("single-image")
            if is_job:
                self.found.sent[name] = Sent(kind=kind)
            try:
                with self.turns[number]:
                    answer = self.server.post(path, {**as_sent(path, values), "force_task_id": name} if is_job else values)
            except httpx.HTTPError:
                if is_job:
                    self.found.sent[name].cut_off = True    # it was killed; the job, if it was taken, is looked for
                time.sleep(0.1)
                continue
            self._answered(name, kind, answer, is_job)

    def _answered(self, name: str, kind: str, answer: httpx.Response, is_job: bool) -> None:
        with self.found.lock:
            self.ended += 1
            if answer.status_code != 200:
                self.found.wrong["refused"].append(f"{kind}: {answer.status_code} {answer.text[:200]}")
                return
            job = self.found.sent[name] if is_job else Sent(kind=kind)
            self.found.states["stopped" if job.stopped else "answered"] += 1
        self._compare(job, pictures_of(answer.json()), name)

    def _compare(self, job: Sent, pictures: Sequence[bytes], name: str) -> None:
        """Those of a job that was stopped are not whole."""
        if job.stopped:
            return
        with self.found.lock:
            self.found.compared += len(pictures)
            if list(pictures) != self.wanted[job.kind]:
                self.found.wrong["wrong pictures"].append(f"{name}: {job.kind}")

    def _stopper(self) -> None:
        """Interrupts or skips one job of the few now and then, by its name."""
        draw = random.Random(f"{self.seed} stops")
        while not self.stop.wait(draw.uniform(0.5, 4)):
            with self.turns[3], suppress(httpx.HTTPError, ValueError, KeyError):
                jobs = self.server.get("/sdapi/v1/jobs?count=0")
                candidates = [each for each in (jobs["running"], *jobs["pending"]) if each]
                if not candidates:
                    continue
                name = draw.choice(candidates)["id"]
                if name in self.found.sent:
                    self.found.sent[name].stopped = True
                    self.server.post(f"/internal/jobs/{name}/interrupt", {})
                    self.found.stops += 1

    def _swapper(self) -> None:
        draw = random.Random(f"{self.seed} swaps")
        while not self.stop.wait(draw.uniform(2, 8)):
            values = draw.choice(({"jpeg_quality": draw.randrange(50, 99)}, {"show_progress_every_n_steps": draw.choice((1, 5, 10))}, {"sd_checkpoints_limit": draw.choice((1, 2))}))
            act = draw.choice(("options", "unload-checkpoint", "refresh-checkpoints", "refresh-loras", "read", "progress"))
            with self.turns[4], suppress(httpx.HTTPError):
                if act == "options":
                    answer = self.server.post("/sdapi/v1/options", values)
                elif act in ("read", "progress"):
                    answer = httpx.get(f"{self.server.url}/sdapi/v1/{draw.choice(('progress', 'sd-models', 'options', 'memory'))}", timeout=120, trust_env=False)
                else:
                    answer = self.server.post(f"/sdapi/v1/{act}", {})
                self.found.swaps += 1
                if answer.status_code != 200:
                    self.found.wrong["refused"].append(f"{act}: {answer.status_code} {answer.text[:200]}")

    def _sampler(self) -> None:
        while not self.stop.wait(2):
            if not self.away.is_set():
                self._sample()

    def _sample(self, *, at_rest: bool = False) -> None:
        process = self.server.process
        if process is None or not (megabytes := resident_megabytes(process.pid)):
            return
        with suppress(OSError):
            files, threads, own = len(os.listdir(f"/proc/{process.pid}/fd")), status_of(process.pid, "Threads"), status_of(process.pid, "RssAnon") / 1024
            self.found.samples.append(Sample(life=self.life, jobs=self.ended, megabytes=megabytes, files=files, threads=threads, own=own, at_rest=at_rest))

    def _kill(self) -> None:
        """kill -9, and every job that the server was seen to have must still be known to the next one."""
        with suppress(httpx.HTTPError):
            jobs = self.server.get("/sdapi/v1/jobs?count=200")
            for each in (jobs["running"], *jobs["pending"], *jobs["finished"]):
                if each and each["id"] in self.found.sent:
                    self.found.sent[each["id"]].known = True
        self.away.set()
        self.server.kill()
        self.found.kills += 1
        self.life += 1
        self.ended = 0
        self.server.start()
        self.away.clear()
        threading.Thread(target=self._settle, daemon=True).start()

    def _settle(self) -> None:
        """Jobs whose caller got no answer: where each ended, and whether what it saved is right."""
        for name, job in list(self.found.sent.items()):
            if not job.cut_off or job.settled:
                continue
            answer = self._ended(name)
            if answer is None:
                return                              # killed again: what is left is settled after the next start
            with self.found.lock:
                if job.settled:
                    continue
                job.settled = True
            if answer.status_code == 404:
                self.found.states["never arrived"] += 1
                if job.known:
                    self.found.wrong["lost jobs"].append(f"{name}: {job.kind}")
                continue
            self._judge(name, job, answer.json())

    def _ended(self, name: str) -> httpx.Response | None:
        """The job once it is over, or 404; None when the server does not answer."""
        end = time.monotonic() + 600
        while time.monotonic() < end:
            try:
                answer = httpx.get(f"{self.server.url}/sdapi/v1/jobs/{name}", timeout=60, trust_env=False)
            except httpx.HTTPError:
                return None
            if answer.status_code == 404 or answer.json()["state"] in _FINAL:
                return answer
            time.sleep(0.2)
        return None

    def _judge(self, name: str, job: Sent, told: Mapping[str, Any]) -> None:
        self.found.states[f"after a kill: {told['state']}"] += 1
        if told["state"] == "failed":
            self.found.wrong["failed jobs"].append(f"{name}: {job.kind}: {told['error']}")
        if told["state"] != "done":
            return
        paths = [each["path"] for each in told["images"]]
        if None in paths:
            self.found.wrong["not saved"].append(f"{name}: {job.kind}")
        else:
            self._compare(job, [Image.open(path).convert("RGB").tobytes() for path in paths], name)


def references(data: Path, models: Path, port: int) -> dict[str, list[bytes]]:
    """One answer for each kind, by a fresh server."""
    server = SoakServer(data, port, models=models)
    try:
        server.start()
        found = {}
        for kind, (path, values) in request_kinds().items():
            answer = server.post(path, as_sent(path, values))
            if answer.status_code != 200:
                raise RuntimeError(f"{kind}: {answer.text[:500]}")
            found[kind] = pictures_of(answer.json())
        return found
    finally:
        server.kill()


def growth(samples: Sequence[Sample], name: str, *, at_rest: bool = False) -> Growth:
    """Of ``name``, fitted over the longest life behind its warm-up."""
    lives: dict[int, list[Sample]] = defaultdict(list)
    for each in samples:
        if each.jobs > WARM_UP and each.at_rest is at_rest:
            lives[each.life].append(each)
    longest = max(lives.values(), key=lambda life: life[-1].jobs - life[0].jobs, default=[])
    if len(longest) < 3:
        return Growth()
    jobs, values = (np.array([getattr(each, key) for each in longest], float) for key in ("jobs", name))
    line = np.polyfit(jobs, values, 1)
    spread = float(((jobs - jobs.mean()) ** 2).sum())
    off = float(((values - np.polyval(line, jobs)) ** 2).sum())
    error = (off / (len(longest) - 2) / spread) ** 0.5 if spread else 0.0
    return Growth(slope=float(line[0]) * 1000, error=error * 1000, jobs=int(jobs[-1] - jobs[0]), samples=len(longest))


def unexpected(log: Path) -> list[str]:
    """Lines that speak of trouble that nobody made."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if _TROUBLE.search(line) and not _EXPECTED.search(line)]


def table(found: Findings, minutes: float, log_lines: Sequence[str], kinds: int) -> tuple[str, bool]:
    resting, busy = (growth(found.samples, "megabytes", at_rest=at_rest) for at_rest in (True, False))
    own = growth(found.samples, "own", at_rest=True)
    files, threads = (growth(found.samples, name).slope for name in ("files", "threads"))
    last, rests = (found.samples or [Sample(life=0, jobs=0, megabytes=0, files=0, threads=0)])[-1], [each.megabytes for each in found.samples if each.at_rest]
    steady = resting.slope < SLOPE_LIMIT and abs(files) < 5 and abs(threads) < 5
    good = not found.wrong and not log_lines and (resting.jobs < FEWEST or steady)
    rows = [
        ("duration", f"{minutes:.0f} minutes"), ("request kinds, each with its reference", str(kinds)), ("jobs sent", str(len(found.sent))),
        ("how they ended", ", ".join(f"{name} {count}" for name, count in sorted(found.states.items()))),
        ("pictures compared with their reference", str(found.compared)), ("kill -9 and restart", str(found.kills)), ("interrupts", str(found.stops)),
        ("settings, unloading, lists", str(found.swaps)), ("wrong pictures", str(len(found.wrong["wrong pictures"]))), ("lost jobs", str(len(found.wrong["lost jobs"]))),
        ("failed jobs, refused requests, not saved", str(sum(len(found.wrong[name]) for name in ("failed jobs", "refused", "not saved")))),
        ("unexpected lines in the log", str(len(log_lines))), (f"memory at rest, MB per 1,000 jobs (limit {SLOPE_LIMIT:g})", f"{resting.slope:+.2f}, standard error {resting.error:.2f}, over {resting.jobs} jobs and {resting.samples} rests"),
        ("of it in no mapped file, MB per 1,000 jobs", f"{own.slope:+.2f}, standard error {own.error:.2f}"),
        ("memory at rest, MB, least to most; first and last", f"{min(rests):.1f} to {max(rests):.1f}; {rests[0]:.1f} and {rests[-1]:.1f}" if rests else "never"),
        ("memory under traffic, MB per 1,000 jobs", f"{busy.slope:+.2f}, standard error at least {busy.error:.2f}, over {busy.jobs} jobs"),
        ("memory at the end, MB", f"{last.megabytes:.0f}"), ("open files per 1,000 jobs; at the end", f"{files:+.2f}; {last.files}"),
        ("threads per 1,000 jobs; at the end", f"{threads:+.2f}; {last.threads}"),
    ]  # fmt: skip
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"| {name:<{width}} | {value} |" for name, value in rows), good and not any(found.wrong.values())


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--kill-every", type=float, default=90.0, help="seconds, on average, in the first 40 %% of the time")
    parser.add_argument("--keep", type=Path, help="the data folder; else a temporary one")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        data = asked.keep or Path(folder)
        server = SoakServer(data / "server", asked.port)
        wanted = references(data / "fresh", server.models, asked.port)
        soak = Soak(server, wanted, asked.seed)
        began = time.monotonic()
        try:
            soak.run(asked.minutes * 60, asked.kill_every)
        except Exception as error:      # what was seen until then is told all the same
            soak.found.wrong["the run itself"].append(f"{type(error).__name__}: {error}")
        finally:
            server.kill()
        lines = unexpected(server.log)
        text, good = table(soak.found, (time.monotonic() - began) / 60, lines, len(wanted))
    sys.stdout.write(text + "\n")
    for name, each in soak.found.wrong.items():
        sys.stdout.writelines(f"{name}: {line}\n" for line in each[:20])
    sys.stdout.writelines(f"log: {line[:300]}\n" for line in lines[:40])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
