"""The merger as a job: named as A1111 names, its recipe inside, in the list at once, loaded like any other."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import load_file

from modules.application import merging
from modules.application.app import App
from modules.application.merging import MergeRequest
from modules.files.resolver import PathRefused
from modules.jobs.job import Job
from modules.library.hashes import old_hash
from modules.schema.errors import InvalidValue, UnknownName
from tests.loading.files import checkpoint, golden_tensors


@pytest.fixture
def app(make_app: Callable[..., App], tmp_path: Path) -> App:
    """Two checkpoints, "a" and "b", that can really be loaded; b's numbers are half of a's."""
    folder = tmp_path / "models" / "Stable-diffusion"
    (folder / "fake.safetensors").unlink()
    checkpoint(folder / "a.safetensors")
    checkpoint(folder / "b.safetensors", {name: tensor * 0.5 if tensor.is_floating_point() else tensor for name, tensor in golden_tensors().items()})
    return make_app()


def merge(app: App, **asked: Any) -> Job:
    return app.jobs.wait(merging.submit(app, MergeRequest(**asked), source="page"), 60)


def test_the_result_is_named_listed_told_and_loads(app: App) -> None:
    job = merge(app, primary_model_name="a.safetensors", secondary_model_name="b.safetensors", multiplier=0.25)
    assert job.error is None
    made = app.catalogue.find_checkpoint("0.75(a) + 0.25(b)")
    assert job.result.info["message"] == f"Checkpoint saved to {made.path}"
    assert made.path.parent == app.paths.checkpoints_dir and made.path.with_suffix(".yaml").is_file()
    name = "model.diffusion_model.out.2.weight"
    assert (load_file(made.path)[name].float() - golden_tensors()[name].float() * 0.875).abs().max() < 1e-3
    components = app.checkpoints.load(made)
    assert components.checkpoint.path == made.path


def test_the_recipe_is_written_as_a1111_writes_it(app: App, tmp_path: Path) -> None:
    asked = {"primary_model_name": "a.safetensors", "secondary_model_name": "b.safetensors", "custom_name": "one", "metadata_json": '{"note": "mine"}'}
    merge(app, **asked)
    hashes = {name: app.catalogue.hash_of(app.catalogue.find_checkpoint(f"{name}.safetensors")) for name in ("a", "b", "one")}
    folder = app.paths.checkpoints_dir
    with safe_open(folder / "one.safetensors", "pt") as file:
        metadata = file.metadata()
    recipe = json.loads(metadata["sd_merge_recipe"])
    assert metadata["note"] == "mine" and metadata["format"] == "pt"
    assert recipe == {
        "type": "webui", "primary_model_hash": hashes["a"], "secondary_model_hash": hashes["b"], "tertiary_model_hash": None,
        "interp_method": "Weighted sum", "multiplier": 0.3, "save_as_half": False, "custom_name": "one", "config_source": 0, "bake_in_vae": "None",
        "discard_weights": "", "is_inpainting": False, "is_instruct_pix2pix": False,
    }
    models = json.loads(metadata["sd_merge_models"])
    assert models[hashes["b"]] == {"name": "b.safetensors", "legacy_hash": old_hash(folder / "b.safetensors"), "sd_merge_recipe": None}
    merge(app, primary_model_name="one", secondary_model_name="a.safetensors", custom_name="two")
    with safe_open(folder / "two.safetensors", "pt") as file:
        grand = json.loads(file.metadata()["sd_merge_models"])
    assert set(grand) == set(hashes.values()) and grand[hashes["one"]]["sd_merge_recipe"]["custom_name"] == "one"
    assert merging.metadata_of(app, ["one", ""])["sd_merge_recipe"]["type"] == "webui"


def test_no_metadata_means_none(app: App) -> None:
    merge(app, primary_model_name="a.safetensors", interp_method="No interpolation", custom_name="bare", save_metadata=False, config_source="Don't")
    with safe_open(app.paths.checkpoints_dir / "bare.safetensors", "pt") as file:
        assert not file.metadata()
    assert not (app.paths.checkpoints_dir / "bare.yaml").exists()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"primary_model_name": ""}, "primary model"),
        ({"secondary_model_name": ""}, "secondary model"),
        ({"interp_method": "Add difference"}, "tertiary model"),
        ({"multiplier": 1.5}, "between 0 and 1"),
        ({"discard_weights": "["}, "regular expression"),
        ({"metadata_json": "{"}, "no JSON"),
        ({"custom_name": "a"}, "already"),
        ({"checkpoint_format": "exe"}, "checkpoint_format"),
    ],
)
def test_what_cannot_be_merged_is_said_at_once(app: App, changed: dict[str, Any], words: str) -> None:
    asked = {"primary_model_name": "a.safetensors", "secondary_model_name": "b.safetensors", "custom_name": "new"} | changed
    with pytest.raises(InvalidValue, match=words):
        merging.submit(app, MergeRequest(**asked), source="page")
    assert not (app.paths.checkpoints_dir / "new.safetensors").exists()


def test_a_name_stays_in_the_checkpoints_folder(app: App) -> None:
    for name in ("../evil", "/tmp/evil", "sub/../../evil"):
        with pytest.raises(PathRefused):
            merging.submit(app, MergeRequest(primary_model_name="a.safetensors", interp_method="No interpolation", custom_name=name), source="page")
    with pytest.raises(UnknownName):
        merging.submit(app, MergeRequest(primary_model_name="nobody", interp_method="No interpolation"), source="page")


def test_a_name_of_models_names_that_is_too_long_asks_for_one(app: App) -> None:
    first = app.catalogue.find_checkpoint("a.safetensors").path
    long = first.with_name("x" * 200 + ".safetensors")
    long.write_bytes(first.read_bytes())
    app.catalogue.refresh()
    with pytest.raises(InvalidValue, match="Custom Name"):
        merging.submit(app, MergeRequest(primary_model_name=long.name, secondary_model_name=long.name), source="page")


def test_an_interrupt_leaves_nothing(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    from modules.loading.merge import Merge

    write = Merge.write_safetensors

    def interrupted(self: Merge, file: Any, metadata: Any, on_tensor: Any) -> None:
        def report(done: int, total: int) -> None:
            if done == 3:
                app.jobs.interrupt()
            on_tensor(done, total)

        write(self, file, metadata, report)

    monkeypatch.setattr(Merge, "write_safetensors", interrupted)
    before = sorted(each.name for each in app.paths.checkpoints_dir.iterdir())
    job = merge(app, primary_model_name="a.safetensors", secondary_model_name="b.safetensors", custom_name="stopped")
    assert "stopped" in job.result.info["message"]
    assert sorted(each.name for each in app.paths.checkpoints_dir.iterdir()) == before


def test_a_merge_that_was_whole_when_the_server_died_is_not_told_as_a_failure(app: App, make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkpoint had its name, its config had not come yet, and the job was not marked as done."""
    kept: list[dict[str, Any]] = [{}]
    keep = app.jobs.keep
    monkeypatch.setattr(app.jobs, "keep", lambda job: (keep(job), kept.append(dict(job.summary))))
    job = merge(app, primary_model_name="a.safetensors", secondary_model_name="b.safetensors", custom_name="one")
    made = app.paths.checkpoints_dir / "one.safetensors"
    written = made.stat().st_mtime_ns
    made.with_suffix(".yaml").unlink()
    app.close()
    with closing(sqlite3.connect(app.paths.jobs_file)) as store, store:
        store.execute("UPDATE jobs SET state='running', attempts=1, finished=NULL, summary=? WHERE id=?", (json.dumps(kept[-1]), job.id))
    again = make_app()
    found = again.jobs.find(job.id)
    assert found is not None and again.jobs.wait(found, 60).error is None
    assert found.result.info["message"] == f"Checkpoint saved to {made}"
    assert made.stat().st_mtime_ns == written and made.with_suffix(".yaml").is_file()
    with pytest.raises(InvalidValue, match="There is a checkpoint called one"):
        merge(again, primary_model_name="a.safetensors", interp_method="No interpolation", custom_name="one")
