"""Laws as functions, for the tests of those who write codecs or train models.

>>> from mulanzip.testing import check_corruption_is_noticed, check_model, check_round_trip, sample_arrays
>>> check_round_trip(codec.encode, codec.decode, sample_arrays())
>>> check_corruption_is_noticed(codec.decode, data, ValueError)
>>> check_model("runs/mine/model.safetensors")

Every law is silent when it holds, and raises AssertionError with the case that breaks it.  None needs pytest.
"""

from mulanzip.testing.codecs import (
    check_corruption_is_noticed,
    check_deterministic,
    check_round_trip,
    damages,
    sample_arrays,
)
from mulanzip.testing.models import check_model
from mulanzip.testing.process import process_state_is_kept

__all__ = [
    "check_corruption_is_noticed",
    "check_deterministic",
    "check_model",
    "check_round_trip",
    "damages",
    "process_state_is_kept",
    "sample_arrays",
]
