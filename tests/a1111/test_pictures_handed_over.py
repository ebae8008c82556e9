"""Pictures as extensions hand them to A1111's functions."""
from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from modules.a1111.infotext_names import image_from_url_text


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_bare_base64_is_a_picture(kind: str) -> None:
    """images-browser's "Move to favorites" saves so, and then deletes the original: the picture was lost."""
    data = io.BytesIO()
    Image.new("RGB", (4, 3), "red").save(data, kind)
    found = image_from_url_text([base64.b64encode(data.getvalue()).decode()])
    assert found is not None and found.size == (4, 3)
