"""A training at work, on the worker thread: what is read before it, and what is written down while it goes on."""
from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modules.application import generation
from modules.application.app import App
from modules.application.compute_settings import job_policy
from modules.application.engine_inputs import resolve_options
from modules.application.outcome import Outcome, OutputImage
from modules.application.room import loaded_with_room
from modules.application.settings_store import OverlaidSettings
from modules.application.training_losses import add_loss
from modules.application.training_pictures import picture_set
from modules.application.training_subject import EmbeddingSubject, HypernetworkSubject, Subject
from modules.application.vae_in_use import with_vae
from modules.compute.policy import ComputePolicy, Residency
from modules.engine.training.board import Board
from modules.engine.training.loop import StepReport, TrainingPlan, train
from modules.engine.training.pictures import Chance
from modules.engine.training.rates import Rates
from modules.files.atomic import write_bytes, write_json
from modules.files.storage import StorageError
from modules.imaging.metadata import encode, png_bytes
from modules.jobs.job import Job
from modules.schema.errors import InvalidValue
from modules.schema.params_training import TrainingRequest
from modules.schema.request import Txt2ImgRequest

if TYPE_CHECKING:
    from modules.library.model_file import ModelFile
    from modules.loading.components import Components

log = logging.getLogger(__name__)
EMBEDDING, HYPERNETWORK = "train-embedding", "train-hypernetwork"
KINDS = {EMBEDDING: "embedding", HYPERNETWORK: "hypernetwork"}
_SAFE_EVERY = 120.0             # seconds after which what is learnt is written to its file
_WRITTEN = (
    "batch_size", "clip_grad_mode", "clip_grad_value", "create_image_every", "data_root", "gradient_step", "latent_sampling_method", "log_directory", "steps",
    "training_height", "training_width", "save_embedding_every", "save_image_with_stored_embedding")
_WRITTEN_OF_PREVIEWS = (
    "preview_cfg_scale", "preview_height", "preview_negative_prompt", "preview_prompt", "preview_sampler_name", "preview_seed", "preview_steps", "preview_width")


def run(app: App, job: Job, logs: Path) -> tuple[Outcome, dict[str, Any]]:
    """Train until all steps are done or somebody interrupts. What was learnt is in its file in either case, also after an error, and at the latest every two minutes."""
    asked = TrainingRequest.from_flat(job.payload["request"])
    settings = OverlaidSettings(app.settings.table, job.payload["settings"], {})
    model = generation.chosen_checkpoint(app, job.payload["checkpoint"], strict=True)
    job.progress.begin(1, 1)
    job.progress.text = "Loading the checkpoint"
    whole = _policy(job_policy(app, settings))
    held = app.checkpoints.components
    if held is not None and not held.placement.keeps_all:
        app.checkpoints.forget(held.checkpoint.path)
    try:
        components, _ = loaded_with_room(app, lambda: with_vae(app, model, settings, lambda vae, beats: app.checkpoints.load(
            model, vae=vae, setting_beats_card=beats, keep=1, others_in_ram=settings.get("sd_checkpoints_keep_in_cpu"), policy=whole)))
        if components.family.is_flow:
            raise InvalidValue(f"Nothing is trained on {components.family.name} checkpoints.", "Choose one of SD 1.x, SD 2.x or SDXL.")
        options = resolve_options(Txt2ImgRequest(), settings)
        make = EmbeddingSubject if job.kind == EMBEDDING else HypernetworkSubject
        subject: Subject = make(app, asked, components, options)
        folder = logs / datetime.now().strftime("%Y-%m-%d") / subject.name
        training = _Training(app=app, job=job, asked=asked, settings=settings, model=model, components=components, subject=subject, folder=folder)
        return training.carried_out()
    finally:
        app.conditionings.clear()
        if app.policy.residency is not Residency.KEEP and app.policy.device != "cpu":
            app.checkpoints.forget(model.path)              # the next job keeps it as the memory mode says


def _policy(policy: ComputePolicy) -> ComputePolicy:
    """Gradients need all weights in their places, in a type that computes."""
    return replace(
        policy, residency=Residency.KEEP, residency_sdxl=None, residency_large=None, residency_is_asked=True, float8_weights=False, float8_sdxl=False,
        records_calls=False, compiles=False, openvino="")


@dataclass(kw_only=True, eq=False)
class _Training:
    app: App
    job: Job
    asked: TrainingRequest
    settings: OverlaidSettings
    model: ModelFile
    components: Components
    subject: Subject
    folder: Path
    last_copy: str = "<none>"
    last_picture: str = "<none>"
    shown: OutputImage | None = None
    begun: int = 0                      # the step that this training goes on from
    unsaved: bool = False
    saved_at: float = 0.0
    spare_copy: bool = False            # a copy was saved that no picture carries yet
    board: Board | None = None

    def carried_out(self) -> tuple[Outcome, dict[str, Any]]:
        asked, subject, job = self.asked, self.subject, self.job
        self.begun = subject.step
        if subject.step >= asked.steps:
            return self._told("Model has already been trained beyond specified max steps")
        job.progress.text = f"Preparing dataset from {asked.data_root}..."
        chance = Chance()
        pictures = picture_set(self.app, asked, self.settings, self.components, subject.name, chance=chance, cancel=job.cancel)
        plan = TrainingPlan(
            steps=asked.steps, first=subject.step, rates=Rates.parsed(subject.rate, asked.steps), accumulates=asked.gradient_step, clipping=asked.clip_grad_mode,
            clip_rates=Rates.parsed(asked.clip_grad_value, asked.steps, field="clip_grad_value") if asked.clip_grad_mode != "disabled" else None)
        if self.settings.get("save_training_settings_to_txt"):
            self._write_settings(pictures.count)
        if self.settings.get("save_optimizer_state"):
            subject.take_up_optimiser()
        if self.settings.get("training_enable_tensorboard"):
            self.board = Board.opened(self.folder, flush_seconds=int(self.settings.get("training_tensorboard_flush_every")))
        self.saved_at = time.monotonic()
        try:
            done = train(
                subject.learner, pictures, plan, self.components, optimiser=subject.optimiser,
                chance=chance, told=self._after, cancel=job.cancel)
        finally:
            if self.board is not None:
                self.board.close()
            if self.unsaved and subject.is_sound:
                self._save()
                self.app.catalogue.refresh()
        how = "interrupted" if job.cancel.interrupted else "finished"
        return self._told(f"Training {how} at {done} steps.\n{KINDS[job.kind].capitalize()} saved to {subject.path}", path=str(subject.path), step=done)

    def _after(self, report: StepReport) -> None:
        asked, subject = self.asked, self.subject
        subject.step, self.unsaved = report.done, True
        every = self.settings.get("training_write_csv_every")
        if every and report.done % every == 0:
            self._write_loss(report)
        if self.board is not None:
            self.board.note(report)
        if asked.save_embedding_every and report.done % asked.save_embedding_every == 0 and subject.is_sound:
            copy = self.folder / subject.copies / f"{subject.name}-{report.done}.pt"
            write_bytes(copy, subject.file(copy.stem, self._hash(), self.model.stem))
            self.last_copy, self.spare_copy = str(copy), True
        if asked.create_image_every and report.done % asked.create_image_every == 0 and subject.is_sound:
            self._draw(report)
        elif time.monotonic() - self.saved_at > _SAFE_EVERY and subject.is_sound:
            self._save()
        self.job.progress.step(report.done - self.begun, asked.steps - self.begun)      # time left is reckoned from what this training did
        self.job.progress.text = (
            f"Loss: {report.loss:.7f}, step: {report.done}\nLast prompt: {report.text[:300]}\nLast saved {KINDS[self.job.kind]}: {self.last_copy}\n"
            f"Last saved image: {self.last_picture}")

    def _save(self) -> None:
        write_bytes(self.subject.path, self.subject.file(self.subject.name, self._hash(), self.model.stem))
        if self.settings.get("save_optimizer_state"):
            self.subject.keep_optimiser()
        self.unsaved, self.saved_at = False, time.monotonic()

    def _hash(self) -> str:
        return "" if self.app.flags.no_hashing else self.app.catalogue.hash_of_loaded(self.model)[:10]

    def _draw(self, report: StepReport) -> None:
        """A test picture, by what is learnt so far. One that fails costs the picture, not the training."""
        self._save()
        self.app.catalogue.refresh()
        asked = self.asked
        values: dict[str, Any] = {"prompt": report.text, "steps": 20, "width": asked.training_width, "height": asked.training_height}
        if asked.preview_from_txt2img:
            values = {name.removeprefix("preview_"): getattr(asked, name) for name in _WRITTEN_OF_PREVIEWS}
            values["sampler_name"] = asked.preview_sampler_name or None
        values["prompt"] = self.subject.prompt(values["prompt"])
        values |= {"save_images": False, "do_not_save_samples": True, "do_not_save_grid": True, "override_settings": {generation.CHECKPOINT_KEY: self.model.name}}
        try:
            outcome = generation.generate_blocking(self.app, Txt2ImgRequest.from_flat(values), source=self.job.source)
        except Exception as error:
            log.warning("no test picture at step %d: %s", report.done, error)
            self.last_picture = f"none at step {report.done}: {error}"
            return
        finally:
            self.job.progress.begin(1, 1)
        if outcome.images:
            self._keep(outcome.images[0], report)

    def _keep(self, made: OutputImage, report: StepReport) -> None:
        ending = str(self.settings.get("samples_format"))
        file = self.folder / "images" / f"{self.subject.name}-{report.done}.{ending}"
        write_bytes(file, encode(made.picture, made.infotext, ending))
        self.shown = replace(made, path=file)
        if self.board is not None and self.settings.get("training_tensorboard_save_images"):
            self.board.show(made.picture, f"Validation at epoch {(report.done - 1) // report.of}", report.done)
        self.last_picture = f"{file}, prompt: {report.text[:300]}"
        self.job.progress.offer_preview(lambda: png_bytes(made.picture))
        carried = self.subject.carried_by(made.picture, self._hash(), self.model.stem)
        if carried is not None and self.asked.save_image_with_stored_embedding and self.spare_copy:
            write_bytes(self.folder / "image_embeddings" / f"{self.subject.name}-{report.done}.png", carried)
            self.spare_copy = False

    def _write_loss(self, report: StepReport) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            add_loss(self.folder / self.subject.losses, report.done, report.of, {"loss": f"{report.loss:.7f}", "learn_rate": report.rate})
        except OSError as error:
            log.warning("the loss of step %d was not written down: %s", report.done, error)

    def _write_settings(self, count: int) -> None:
        now = datetime.now()
        names = (*_WRITTEN, *(_WRITTEN_OF_PREVIEWS if self.asked.preview_from_txt2img else ()))
        values = {
            "datetime": now.strftime("%Y-%m-%d %H:%M:%S"), "model_name": self.model.stem, "model_hash": self._hash(), "num_of_dataset_images": count,
            f"{KINDS[self.job.kind]}_name": self.subject.name, "initial_step": self.subject.step, "learn_rate": self.subject.rate,
            "template_file": self.asked.template_filename, **self.subject.about(), **{name: getattr(self.asked, name) for name in names}}
        try:
            write_json(self.folder / f"settings-{now.strftime('%Y-%m-%d-%H-%M-%S')}.json", values)
        except (StorageError, OSError) as error:
            log.warning("the training's settings were not written down: %s", error)

    def _told(self, message: str, **more: Any) -> tuple[Outcome, dict[str, Any]]:
        shown = () if self.shown is None else (self.shown,)
        outcome = Outcome(images=shown, shown=shown, info={"message": message, **more})
        return outcome, outcome.summary()


