"""Training as a job: new files, what is written while it goes on, and what goes wrong is said."""
from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from modules.application import training
from modules.application.app import App
from modules.application.training_run import EMBEDDING, HYPERNETWORK
from modules.jobs.job import Job, JobState
from modules.loading.embeddings import load_embedding
from modules.loading.hypernetwork_file import TrainableHypernetwork
from modules.rest_api.progress_routes import progress_of
from modules.schema.errors import InvalidValue, UnknownName, WebuiError
from modules.schema.params_training import NewEmbedding, NewHypernetwork, TrainingRequest
from tests.a1111.golden_app import golden_app
from tests.conftest import serve
from tests.golden.cases import data_dir
from tests.golden_xl.cases import data_dir as xl_data_dir


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A server over the golden models, with four pictures in data/pictures."""
    data = tmp_path_factory.mktemp("training")
    with_pictures(data)
    with golden_app(data, "--models-dir", str(data_dir() / "models"), "--hypernetwork-dir", str(data / "hypernetworks")) as made:
        made.jobs.start()
        made.settings.update({"sd_model_checkpoint": "sd15-tiny.safetensors", "randn_source": "CPU"})
        yield made


def with_pictures(data: Path) -> None:
    folder = data / "pictures"
    folder.mkdir()
    for number, colour in enumerate(("red", "green", "blue", "white")):
        Image.new("RGB", (80, 96), colour).save(folder / f"0{number}-{colour} wall.png")
    (folder / "00-red wall.txt").write_text("a wall, of red stone")
    (folder / "notes.txt").write_text("not a picture")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")


def new_embedding(app: App, name: str, **more: Any) -> Path:
    return training.create_embedding(app, NewEmbedding.from_flat({"name": name, "init_text": "red ball", **more}))


def new_hypernetwork(app: App, name: str, **more: Any) -> Path:
    return training.create_hypernetwork(app, NewHypernetwork.from_flat({"name": name, "enable_sizes": ["32", "64"], **more}))


def asked(**values: Any) -> TrainingRequest:
    usual = {"data_root": "pictures", "log_directory": "logs", "training_width": 64, "training_height": 64, "steps": 3, "create_image_every": 0,
             "save_embedding_every": 0, "template_filename": "subject_filewords.txt"}
    return TrainingRequest.from_flat(usual | values)


def trained(app: App, kind: str = EMBEDDING, **values: Any) -> Job:
    job = app.jobs.wait(training.submit(app, asked(**values), kind, source="page"), 120)
    assert job.state is JobState.DONE, job.error
    return job


def test_a_new_embedding_begins_as_its_text(app: App) -> None:
    path = new_embedding(app, "be/gin?ning", num_vectors_per_token=3)
    assert path.name == "beginning.pt" and any(each.stem == "beginning" for each in app.catalogue.embeddings())
    made = load_embedding(path)
    assert made is not None and made.step == 0
    (encoder,) = app.checkpoints.components.text_encoders            # type: ignore[union-attr]
    ids = encoder.tokenizer("red ball", add_special_tokens=False)["input_ids"]
    words = encoder.module.get_input_embeddings().weight             # type: ignore[operator, union-attr]
    assert torch.equal(made.tensors[0], words[[ids[0], ids[0], ids[1]]])
    assert path.read_bytes()[:2] != b"PK"       # A1111's check of pickles refuses today's other form
    assert load_embedding(new_embedding(app, "zeros", init_text="")).tensors[0].abs().max() == 0     # type: ignore[union-attr]


@pytest.mark.parametrize(("values", "words"), [
    ({"name": ""}, "empty"), ({"name": "../.."}, "empty"), ({"name": "x", "num_vectors_per_token": 0}, "between"), ({"name": "there"}, "already exists"),
    ({"name": "elsewhere", "overwrite_old": True}, "elsewhere.safetensors already exists"),
])
def test_an_embedding_that_cannot_be_made_says_why(app: App, values: dict[str, Any], words: str) -> None:
    new_embedding(app, "there", overwrite_old=True)
    (Path(app.flags.embeddings_dir) / "elsewhere.safetensors").write_bytes(b"")
    with pytest.raises(InvalidValue, match=words):
        new_embedding(app, **values)


@pytest.mark.parametrize(("values", "words"), [
    ({"layer_structure": "2, 1"}, "begin and end with 1"), ({"layer_structure": "one"}, "no numbers"), ({"activation_func": "magic"}, "no activation"),
    ({"activation_func": "glu"}, "do not fit"), ({"weight_init": "Zero"}, "no initialization"), ({"enable_sizes": []}, "needs modules"),
    ({"use_dropout": True, "dropout_structure": "0, 2, 0"}, "dropout structure"),
])
def test_a_hypernetwork_that_cannot_be_made_says_why(app: App, values: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        new_hypernetwork(app, "no", **values)


def test_a_training_leaves_what_a1111s_leaves(app: App) -> None:
    """Copies, test pictures, pictures that carry the embedding, losses, settings; the file itself with its step and checkpoint."""
    path = new_embedding(app, "learns")
    first = load_embedding(path)
    app.settings.update({"training_write_csv_every": 2})
    job = trained(app, embedding_name="learns", steps=4, create_image_every=4, save_embedding_every=2, embedding_learn_rate="0.01:2, 0.001", batch_size=2)
    now = load_embedding(path)
    assert first is not None and now is not None and now.step == 4 and now.trained_on == "sd15-tiny" and not torch.equal(first.tensors[0], now.tensors[0])
    assert job.result.info["message"] == f"Training finished at 4 steps.\nEmbedding saved to {path}"
    (logs,) = (app.paths.data_dir / "logs").glob("*/learns")
    assert sorted(each.name for each in (logs / "embeddings").iterdir()) == ["learns-2.pt", "learns-4.pt"]
    with Image.open(logs / "images" / "learns-4.png") as drawn:
        assert drawn.size == (64, 64) and "learns" in drawn.text["parameters"] and "TI hashes: " in drawn.text["parameters"]      # type: ignore[attr-defined]
    carried, copied = load_embedding(logs / "image_embeddings" / "learns-4.png"), load_embedding(logs / "embeddings" / "learns-4.pt")
    assert carried is not None and copied is not None and carried.name == "learns-4" and torch.allclose(carried.tensors[0], copied.tensors[0], atol=1e-6)
    assert torch.equal(copied.tensors[0], now.tensors[0])
    rows = list(csv.DictReader((logs / "textual_inversion_loss.csv").open()))
    assert [(row["step"], row["epoch"], row["epoch_step"], row["learn_rate"]) for row in rows] == [("2", "0", "1", "0.01"), ("4", "1", "1", "0.001")]
    (written,) = logs.glob("settings-*.json")
    settings = json.loads(written.read_text())
    assert settings["num_of_dataset_images"] == 4 and settings["model_name"] == "sd15-tiny" and settings["learn_rate"] == "0.01:2, 0.001"


class FakeWriter:
    """TensorBoard's, as far as it is asked."""

    made: list[FakeWriter] = []

    def __init__(self, log_dir: str, flush_secs: int) -> None:
        self.log_dir, self.flush_secs, self.noted, self.is_closed = log_dir, flush_secs, [], False
        self.made.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.noted.append((name, step))

    def add_image(self, name: str, picture: Any, step: int, dataformats: str) -> None:
        self.noted.append((name, step, picture.shape, dataformats))

    def close(self) -> None:
        self.is_closed = True


def test_tensorboard_gets_its_figures_where_it_is_installed(app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    new_embedding(app, "shown")
    app.settings.update({"training_enable_tensorboard": True, "training_tensorboard_save_images": True, "training_tensorboard_flush_every": 7})
    try:
        monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
        assert trained(app, embedding_name="shown", steps=1).state is JobState.DONE and "pip install tensorboard" in caplog.text
        monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=FakeWriter))
        trained(app, embedding_name="shown", steps=5, create_image_every=5, batch_size=2)
    finally:
        app.settings.update({"training_enable_tensorboard": False, "training_tensorboard_save_images": False})
    (writer,) = FakeWriter.made
    assert writer.log_dir.replace("\\", "/").endswith("shown/tensorboard") and writer.flush_secs == 7 and writer.is_closed
    assert [each for each in writer.noted if each[0] == "Loss/train"] == [("Loss/train", step) for step in (2, 3, 4, 5)]
    assert ("Loss/train/epoch-1", 1) in writer.noted and ("Learn rate/train", 5) in writer.noted and ("Validation at epoch 2", 5, (64, 64, 3), "HWC") in writer.noted


class FullDisk(FakeWriter):
    def add_scalar(self, name: str, value: float, step: int) -> None:
        raise OSError("no space left")


@pytest.mark.parametrize(("writer", "said"), [(FullDisk, "Nothing more is written for TensorBoard: no space left"), (None, "Update the package tensorboard")])
def test_a_tensorboard_that_fails_ends_no_training(
    app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, writer: type[FakeWriter] | None, said: str
) -> None:
    """None: it cannot even be made, as beside a protobuf of another age."""
    new_embedding(app, "charted")
    app.settings.update({"training_enable_tensorboard": True})
    monkeypatch.setattr(FakeWriter, "made", [])
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=writer))
    try:
        assert trained(app, embedding_name="charted", steps=2).state is JobState.DONE and caplog.text.count(said) == 1
    finally:
        app.settings.update({"training_enable_tensorboard": False})
        (Path(app.flags.embeddings_dir) / "charted.pt").unlink()


def test_it_goes_on_from_the_step_in_the_file(app: App) -> None:
    path = new_embedding(app, "further")
    app.settings.update({"save_optimizer_state": True})
    try:
        trained(app, embedding_name="further", steps=2)
        assert path.with_name("further.pt.optim").is_file()
        trained(app, embedding_name="further", steps=5)
    finally:
        app.settings.update({"save_optimizer_state": False})
    assert load_embedding(path).step == 5                           # type: ignore[union-attr]
    job = trained(app, embedding_name="further", steps=5)
    assert "already been trained beyond" in job.result.info["message"]


def test_an_interrupted_training_keeps_what_was_learnt(app: App) -> None:
    path = new_embedding(app, "stopped")
    job = training.submit(app, asked(embedding_name="stopped", steps=100_000), EMBEDDING, source="page")
    while job.progress.snapshot().step < 2:
        assert not job.over.wait(0.02)
    told = progress_of(app)
    assert told["state"]["job"] == "train-embedding" and told["state"]["job_count"] == 100_000 and told["state"]["job_no"] >= 2 and told["textinfo"].startswith("Loss: ")
    assert job.progress.text.startswith("Loss: ") and "wall" in job.progress.text
    app.jobs.interrupt(job.id)
    assert app.jobs.wait(job, 60).state is JobState.INTERRUPTED
    step = load_embedding(path).step                                # type: ignore[union-attr]
    assert step is not None and 2 <= step < 100_000 and f"interrupted at {step} steps" in job.result.info["message"]


def test_a_hypernetwork_learns_and_acts(app: App) -> None:
    path = new_hypernetwork(app, "net", activation_func="relu", add_layer_norm=True, use_dropout=True, dropout_structure="0, 0.2, 0")
    before = TrainableHypernetwork.read(path)
    trained(app, HYPERNETWORK, hypernetwork_name="net", hypernetwork_learn_rate="0.01", steps=3, create_image_every=3, save_embedding_every=3)
    after = TrainableHypernetwork.read(path)
    assert after.step == 3 and after.shape == before.shape and after.shape.dropout == (0, 0.2, 0)
    assert not all(torch.equal(*pair) for width in (32, 64) for pair in zip(before.layers[width][0].parameters(), after.layers[width][0].parameters()))
    (logs,) = (app.paths.data_dir / "logs").glob("*/net")
    assert (logs / "hypernetworks" / "net-3.pt").is_file()
    with Image.open(logs / "images" / "net-3.png") as drawn:
        assert "<hypernet:net:1>" in drawn.text["parameters"]       # type: ignore[attr-defined]


@pytest.mark.parametrize(("values", "words", "kind"), [
    ({}, "no embedding to train", InvalidValue), ({"embedding_name": "there", "data_root": ""}, "dataset directory is empty", InvalidValue),
    ({"embedding_name": "there", "data_root": "nowhere"}, "there is no folder", InvalidValue), ({"embedding_name": "there", "data_root": "empty"}, "no pictures", InvalidValue),
    ({"embedding_name": "there", "template_filename": "mine.txt"}, "mine.txt", UnknownName), ({"embedding_name": "there", "template_filename": "none.txt"}, "has \\[name\\]", InvalidValue),
    ({"embedding_name": "there", "embedding_learn_rate": "quick"}, "no learning rate", InvalidValue), ({"embedding_name": "there", "log_directory": "modules"}, "programs", InvalidValue),
    ({"embedding_name": "there", "clip_grad_mode": "norm", "clip_grad_value": ""}, "clip_grad_value", InvalidValue),
])
def test_what_is_wrong_is_said_before_it_waits(app: App, values: dict[str, Any], words: str, kind: type[WebuiError]) -> None:
    (app.paths.data_dir / "empty").mkdir(exist_ok=True)
    with pytest.raises(kind, match=words):
        training.submit(app, asked(**values), EMBEDDING, source="page")


def test_an_embedding_of_another_kind_of_model_is_refused(app: App) -> None:
    path = Path(app.flags.embeddings_dir) / "wide.pt"
    torch.save({"string_to_param": {"*": torch.zeros(1, 1024)}}, path)
    app.catalogue.refresh()
    job = app.jobs.wait(training.submit(app, asked(embedding_name="wide"), EMBEDDING, source="page"), 60)
    assert job.state is JobState.FAILED and "was not made for" in str(job.error)


def test_an_embedding_in_another_kind_of_file_is_refused_and_left_as_it_is(app: App) -> None:
    """A .pt beside it would be hidden by it: prompts would go on meaning the old one."""
    path = Path(app.flags.embeddings_dir) / "held.safetensors"
    save_file({"emb_params": load_embedding(new_embedding(app, "holder")).tensors[0]}, path)       # type: ignore[union-attr]
    before = path.read_bytes()
    app.catalogue.refresh()
    job = app.jobs.wait(training.submit(app, asked(embedding_name="held"), EMBEDDING, source="page"), 60)
    assert job.state is JobState.FAILED and "kept in .pt files" in str(job.error)
    assert path.read_bytes() == before and not path.with_suffix(".pt").exists()


def test_programs_make_and_train_as_with_a1111(app: App) -> None:
    """A1111's arguments, with numbers where its page has text, and its answers, also to what goes wrong."""
    with closing(serve(app)) as servers:
        server = next(servers)

        def said(path: str, **args: Any) -> str:
            answer = server.client.post(f"/sdapi/v1/{path}", json=args)
            assert answer.status_code == 200 and set(answer.json()) == {"info"}
            return answer.json()["info"]

        assert said("create/embedding", name="api", num_vectors_per_token=1, overwrite_old=False, init_text="cat").startswith("create embedding filename: ")
        assert said("create/embedding", name="api", num_vectors_per_token=1, overwrite_old=False).startswith("create embedding error: file ")
        made = said("create/hypernetwork", name="api", enable_sizes=[32, 64], overwrite_old=False, layer_structure=[1, 2, 1], activation_func="linear")
        assert made.startswith("create hypernetwork filename: ")
        common = {"batch_size": 1, "gradient_step": 1, "data_root": "pictures", "log_directory": "logs", "training_width": 64, "training_height": 64, "varsize": False,
                  "steps": 1, "clip_grad_mode": "value", "clip_grad_value": 0.1, "shuffle_tags": True, "tag_drop_out": 0, "latent_sampling_method": "random",
                  "use_weight": False, "create_image_every": 0, "template_filename": "style_filewords.txt"}
        done = said("train/embedding", **common, id_task="task(1)", embedding_name="api", learn_rate=0.005, save_embedding_every=0)
        assert done.startswith("train embedding complete: filename: ") and done.endswith("api.pt error: None")
        newest = server.client.get("/internal/jobs").json()["finished"][0]
        assert (newest["kind"], newest["about"], newest["prompt"]) == ("train-embedding", "api", "")
        done = said("train/hypernetwork", **common, hypernetwork_name="api", learn_rate="1e-5", save_hypernetwork_every=0)
        assert done.startswith("train hypernetwork complete: filename: ")
        assert said("train/embedding", **common, embedding_name="nobody", learn_rate=0.005).startswith("train embedding error: There is no embedding")


@pytest.mark.parametrize(("checkpoint", "encoders"), [("sdxl-tiny", 2), ("sd2-tiny-v", 1)])
def test_other_families_are_trained_on(tmp_path: Path, checkpoint: str, encoders: int) -> None:
    """SDXL's embeddings have vectors for both text encoders, in the form that others read; both learn."""
    with_pictures(tmp_path)
    with golden_app(tmp_path, "--models-dir", str(xl_data_dir() / "models")) as app:
        app.jobs.start()
        app.settings.update({"sd_model_checkpoint": f"{checkpoint}.safetensors"})
        before = load_embedding(new_embedding(app, "wide", num_vectors_per_token=2))
        trained(app, embedding_name="wide", create_image_every=3, steps=3)
        after = load_embedding(Path(app.flags.embeddings_dir) / "wide.pt")
        assert before is not None and after is not None and len(after.tensors) == encoders and after.step == 3
        assert not any(torch.equal(*pair) for pair in zip(before.tensors, after.tensors))
        (drawn,) = (app.paths.data_dir / "logs").glob("*/wide/images/*.png")
        with Image.open(drawn) as picture:
            assert "wide" in picture.text["parameters"]             # type: ignore[attr-defined]
