"""Coding needs no torch: a process that cannot import it codes, decodes, and says what it leaves out."""

from __future__ import annotations

from support.processes import ROOT, run_python

_CODE = """
import sys, warnings
sys.modules["torch"] = None  # What imports it gets an ImportError.
import numpy as np
from PIL import Image
import mulanzip

array = np.asarray(Image.open(sys.argv[1]).convert("RGB"))[:256, :256].copy()
with warnings.catch_warnings(record=True) as notes:
    warnings.simplefilter("always")
    usual = mulanzip.encode(array)
    assert not notes, notes
    assert mulanzip.encode(array, effort=4) == usual
assert np.array_equal(mulanzip.decode(usual), array)
print(*(note.message for note in notes))
"""


def test_images_are_coded_and_what_needs_torch_is_named() -> None:
    done = run_python("-c", _CODE, str(ROOT / "tests" / "images" / "budgie.png"))
    assert done.stdout.strip() == "torch is not installed, so no context is fitted: pip install 'mulanzip[torch]'"
