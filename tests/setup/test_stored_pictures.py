"""The pictures that a bundle keeps hold nothing but their pixels."""

from io import BytesIO

import pytest
from PIL import Image

from neurflow_report.setup.stored_pictures import encode


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_no_metadata_of_the_original_is_kept(form):
    exif = Image.Exif()
    exif[0x013B] = "SECRET artist"
    buffer = BytesIO()
    Image.new("RGB", (9, 9)).save(
        buffer, "JPEG", comment=b"SECRET comment", exif=exif, xmp=b"SECRET xmp", icc_profile=b"SECRET profile"
    )
    original = Image.open(buffer)
    assert "comment" in original.info
    kept = encode(original, form)
    assert b"SECRET" not in kept
    assert not {"comment", "exif", "xmp", "icc_profile"} & set(Image.open(BytesIO(kept)).info)
    assert "comment" in original.info
