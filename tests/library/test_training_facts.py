"""How a LoRA was trained, read from whatever a stranger's header says."""

from __future__ import annotations

import json

import pytest

from modules.library.training_facts import training_facts

BUCKETS = {"buckets": {"0": {"resolution": [512, 768], "count": 3}, "1": {"resolution": [640, 640], "count": 9}}}


def test_the_dialog_tells_what_kohyas_header_says() -> None:
    header = {
        "ss_output_name": "heron",
        "ss_sd_model_name": "base.safetensors",
        "ss_clip_skip": "None",
        "ss_training_started_at": "1700000000.5",
        "ss_bucket_info": json.dumps(BUCKETS),
        "ss_dataset_dirs": '{"5_a": {"img_count": 7}, "1_b": {"img_count": 5}}',
    }
    assert training_facts(header) == [
        ("Output name", "heron"), ("Model", "base.safetensors"), ("Date trained", "2023-11-14 22:13"), ("Resolutions", "640x640, 768x512"), ("Dataset size", "12"),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "[", "[]", "null", '{"buckets": 5}', '{"buckets": {"0": {"resolution": [1, "x"], "count": {}}}}', '{"a": {"img_count": "x"}}', "1e999"])
def test_a_header_in_another_form_says_nothing(text: str) -> None:
    assert training_facts({"ss_bucket_info": text, "ss_dataset_dirs": text, "ss_training_started_at": text}) == []
