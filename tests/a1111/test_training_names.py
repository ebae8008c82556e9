"""What extensions call of A1111's training: the functions make files and train as the Train tab does, with A1111's order of arguments."""
from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from modules.a1111 import training_names
from modules.loading.embeddings import load_embedding
from modules.loading.hypernetwork_file import TrainableHypernetwork
from modules.schema.errors import InvalidValue
from tests.a1111.golden_app import golden_app
from tests.golden.cases import data_dir


def test_files_are_made_and_trained(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (64, 64), "red").save(pictures / "wall.png")
    with golden_app(tmp_path, "--models-dir", str(data_dir() / "models"), "--hypernetwork-dir", str(tmp_path / "nets")) as app:
        app.jobs.start()
        app.settings.update({"sd_model_checkpoint": "sd15-tiny.safetensors"})
        made = training_names.create_embedding("word", 2, False, init_text="red")
        with pytest.raises(InvalidValue, match="already exists"):
            training_names.create_embedding("word", 2, False)
        assert Path(training_names.textual_inversion_templates["subject.txt"].path).is_file()
        common = (1, 1, str(pictures), "logs", 64, 64, False, 2, "disabled", "0.1", False, 0, "once", False, 0, 0, "style.txt")
        previews = (False, "", "", 20, "Euler a", 7, -1, 64, 64)
        learnt, file = training_names.train_embedding("task(1)", "word", "0.01", *common, True, *previews)
        assert file == made and learnt.step == 2 and learnt.vectors == 2 and load_embedding(Path(made)).step == 2      # type: ignore[union-attr]
        training_names.create_hypernetwork("net", ["32", "64"], False, layer_structure=[1, 2, 1], activation_func="relu", weight_init="Normal")
        network, file = training_names.train_hypernetwork("task(2)", "net", "0.001", *common, *previews)
        assert network.step == 2 and isinstance(network, TrainableHypernetwork) and Path(file).parent == tmp_path / "nets"
