# SPDX-License-Identifier: GPL-3.0-or-later
r"""Unitary precoding across the data carriers of an OFDM symbol.

With spreading ``dft`` the symbols :math:`x` of an OFDM symbol and stream are sent as

.. math:: s_k = \frac{1}{\sqrt M} \sum_{i=0}^{M-1} x_i e^{-j 2 \pi i k / M}

on its ``M`` data carriers: DFT-s-OFDM, transform precoding of TS 38.211, 6.3.1.4. Every symbol
then uses every carrier, so that all of them meet the same, mean channel; and where ``x`` is of
constant magnitude, the signal in time nearly is too. Header, pilots and training are not spread.

The receiver has unbiased cells :math:`y_k = s_k + n_k` of noise variance :math:`v_k`. Linear
MMSE estimation of the cells, which have unit power, weights each with :math:`g_k = 1/(1 + v_k)`.
The inverse transform of :math:`g_k y_k` holds every symbol with the gain :math:`\bar g`, the mean
of the weights, and an MMSE error of variance :math:`1 - \bar g`; divided by :math:`\bar g` the
symbols are unbiased and have noise of variance

.. math:: \frac{\bar g (1 - \bar g)}{\bar g^2} = \frac{1}{\bar g} - 1

what is left of the other symbols of the OFDM symbol included (MMSE frequency-domain equalisation:
Falconer et al., "Frequency domain equalization for single-carrier broadband wireless systems",
IEEE Communications Magazine 40(4), 2002; unbiased: Cioffi et al., "MMSE decision-feedback
equalizers and coding", IEEE Trans. Communications 43(10), 1995).

The error after shrinkage by the variance is that of cells that are not spread, on average: the
mean of :math:`v_k/(1 + v_k)`. What changes is that all symbols share it.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

from semcom_phy.exchange import ComplexArray, FloatArray


def spread(symbols: ComplexArray, spreading: str) -> ComplexArray:
    """Symbols to the cells of OFDM symbols.

    Args:
        symbols: ``[..., data carriers]``.
        spreading: of the numerology, ``none`` or ``dft``.

    Returns:
        Cells of the same shape and power.
    """
    if spreading == "none":
        return symbols
    cells: ComplexArray = scipy.fft.fft(symbols, norm="ortho")
    return cells


def despread(
    cells: ComplexArray, noise_var: FloatArray, spreading: str
) -> tuple[ComplexArray, FloatArray]:
    """Equalised cells to symbols.

    Args:
        cells: ``[OFDM symbols, data carriers, streams]``, unbiased.
        noise_var: ``[1 or OFDM symbols, data carriers, streams]``; infinite where nothing was
            received, whatever the cell holds.
        spreading: of the numerology, ``none`` or ``dft``.

    Returns:
        Unbiased symbols, shaped like the cells, and their noise variance, shaped like that of the
        cells. Of an OFDM symbol without any cell the symbols are zero, their variance is infinite.
    """
    if spreading == "none":
        return cells, noise_var
    gain = 1 / (1 + noise_var.astype(np.float64))
    mean = gain.mean(axis=1, keepdims=True)
    weight = np.divide(gain, mean, out=np.zeros_like(gain), where=mean > 0)
    weighted = np.where(weight > 0, cells, 0) * weight.astype(np.float32)
    symbols: ComplexArray = scipy.fft.ifft(weighted, axis=1, norm="ortho", overwrite_x=True)
    with np.errstate(divide="ignore"):
        variance = 1 / mean - 1
    return symbols, np.repeat(variance.astype(np.float32), cells.shape[1], axis=1)
