"""Echoes of point scatterers in closed form, for the tests of the signal chain."""

import numpy as np


def arrival_s(x_m, z_m, element_x_m, element_z_m, transmit_rad, sound_speed_m_s):
    """Time of an echo at each element: (scatterers, elements)."""
    x, z = np.atleast_1d(x_m)[:, None], np.atleast_1d(z_m)[:, None]
    sent = x * np.sin(transmit_rad) + z * np.cos(transmit_rad)
    back = np.hypot(x - np.asarray(element_x_m), z - np.asarray(element_z_m))
    return (sent + back) / sound_speed_m_s


def envelope(time_s, center_frequency_hz, bandwidth=0.5):
    """Gaussian pulse envelope of a given -6 dB fractional bandwidth."""
    sigma_hz = bandwidth * center_frequency_hz / (2.0 * np.sqrt(2.0 * np.log(2.0)))
    return np.exp(-0.5 * (2.0 * np.pi * sigma_hz * time_s) ** 2)


def rf_echoes(tau_s, time_s, center_frequency_hz, bandwidth=0.5):
    """RF of every element: (elements, samples); tau_s is (scatterers, elements)."""
    delay = time_s - tau_s[..., None]
    carrier = np.cos(2.0 * np.pi * center_frequency_hz * delay)
    return np.sum(envelope(delay, center_frequency_hz, bandwidth) * carrier, axis=0)


def iq_echoes(tau_s, time_s, center_frequency_hz, bandwidth=0.5):
    """IQ of every element: (elements, samples)."""
    turn = np.exp(-2j * np.pi * center_frequency_hz * tau_s)[..., None]
    shape = envelope(time_s - tau_s[..., None], center_frequency_hz, bandwidth)
    return np.sum(shape * turn, axis=0)


def relative_error(value, expected):
    """Root-mean-square difference over the root-mean-square of what is expected."""
    return np.linalg.norm(np.asarray(value) - expected) / np.linalg.norm(expected)
