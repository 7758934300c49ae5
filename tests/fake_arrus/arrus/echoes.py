"""Echoes of points that move towards the probe, as the delays of each transmit make them."""

import numpy as np

SPREAD_S = 0.25e-6


def record(ops, x_m, rate_hz, told, speed_m_s):
    """Samples of all elements after each transmit: (transmits, elements, samples) int16."""
    rng = np.random.default_rng(4)
    random = np.transpose([rng.uniform(-6e-3, 6e-3, 15), rng.uniform(5e-3, 16e-3, 15)])
    px_m, pz_m = np.transpose(told.get("points_m", random))
    size = np.sign(rng.normal(size=len(px_m)))
    n_samples = ops[0].rx.sample_range[1]
    samples = np.zeros((len(ops), len(x_m), n_samples))
    spread = np.arange(-round(3 * SPREAD_S * rate_hz), round(3 * SPREAD_S * rate_hz))
    rows = np.arange(len(x_m))[:, None]
    sent_s = 0.0
    for k, op in enumerate(ops):
        pulse = op.tx.excitation
        # A plane wave: its slope over the array, and when it crosses the middle.
        sine_s_m, crossing_s = np.polyfit(x_m, op.tx.delays, 1)
        cosine_s_m = np.sqrt(1.0 / speed_m_s**2 - sine_s_m**2)
        z_m = pz_m - told.get("speed_m_s", 0.0) * sent_s
        for x, z, amplitude in zip(px_m, z_m, size, strict=True):
            arrives_s = crossing_s + x * sine_s_m + z * cosine_s_m
            middle_s = arrives_s + np.hypot(x_m - x, z) / speed_m_s
            middle_s += 0.5 * pulse.n_periods / pulse.center_frequency
            at = np.round(middle_s * rate_hz).astype(int)[:, None] + spread
            since_s = at / rate_hz - middle_s[:, None]
            echo = np.exp(-0.5 * (since_s / SPREAD_S) ** 2)
            echo *= np.cos(2.0 * np.pi * pulse.center_frequency * since_s)
            inside = (at >= 0) & (at < n_samples)
            samples[k][np.broadcast_to(rows, at.shape)[inside], at[inside]] += (
                amplitude * echo[inside]
            )
        sent_s += op.pri
    return np.round(1000.0 * samples).astype(np.int16)
