"""Parameters of mixtures of logistics: outputs of the float network, and the integers that stand for them.

For outputs ``o`` of the float network:

* mixture weights are ``softmax(o)``, stored as ``128 + 16 o`` in a uint8;
* scales are ``4 exp(o)`` gray levels, ``|o| <= 4``, stored as ``128 + 32 o`` in a uint8;
* means are ``base + 16 o`` gray levels, stored with ``MEAN_BITS`` fractional bits;
* couplings are ``o / 2``, stored in 1/256.

The CDF of a mixture at the edge below value ``x`` is ``sum_k w_k S((x - 1/2 - mu_k) / s_k) + x f``.  ``S`` is the
logistic function, and ``f`` a floor under the probability of each value.  The tails are folded into the least and the
largest value.  The float training loss is :mod:`mulanzip.floatnet.loss`; integers go to the native library.
"""

from __future__ import annotations

from mulanzip.density.config import MEAN_BITS

MEAN_GAIN = 16
COUPLING_GAIN = 0.5
LOG_SCALE_LIMIT = 4
SCALE_AT_ZERO = 4
#: Lower bound of the probability of each 8-bit value, approximately.
PROBABILITY_FLOOR = 2.0**-20

#: Integer units per unit of the outputs of the float network: logits, log scales, means, couplings.
LOGIT_UNIT = 16
LOG_SCALE_UNIT = 32
MEAN_UNIT = MEAN_GAIN << MEAN_BITS
COUPLING_UNIT = int(COUPLING_GAIN * (1 << 8))
#: Offset of the uint8 outputs (logits and log scales).
SHAPE_ZERO = 128
