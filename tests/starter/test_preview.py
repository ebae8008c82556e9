"""The picture that ships beside the starter is seen on its card: it must be one, and stay one."""

from __future__ import annotations

import numpy as np
from PIL import Image

from modules.starter.export import CHECKPOINT


def test_the_starters_card_shows_what_it_draws_and_no_noise() -> None:
    shown = np.asarray(Image.open(CHECKPOINT.with_suffix(".png")).convert("RGB"), dtype=float)
    assert np.abs(np.diff(shown, axis=1)).mean() < 20, "extensions that encrypt pictures shuffle the rows and columns of files that they open"
