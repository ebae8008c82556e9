"""The stored golden cases are complete and readable."""

import hashlib

from tests.golden.cases import CHECKPOINT_SHA256, cases, checkpoint_path, data_dir


def test_all_219_cases_have_their_pictures_and_tensors():
    assert len(cases()) == 219
    for case in cases():
        assert case.image_paths and all(path.exists() for path in case.image_paths), case.name
        for stage, array in case.arrays.items():
            assert array.size, (case.name, stage)


def test_the_infotext_of_a_case_is_in_its_first_picture():
    for case in cases():
        if case.infotext and not case.name.startswith("script-"):      # a script's first picture is its grid, without text
            assert case.images()[0].info["parameters"] == case.infotext, case.name


def test_the_made_checkpoint_is_the_one_a1111_ran():
    assert hashlib.sha256(checkpoint_path().read_bytes()).hexdigest() == CHECKPOINT_SHA256
    assert (data_dir() / "models/Lora/tiny-lora.safetensors").exists()


def test_conditioning_entries_are_sorted_and_end_at_the_last_step():
    stored = [case for case in cases() if case.conditioning()[0]]
    assert len(stored) == 69
    for case in stored:
        positive, negative = case.conditioning()
        assert positive[-1].until == negative[-1].until
