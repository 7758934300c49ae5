"""Whether there is a display to open windows on."""

import os

import pytest

from ultrasound_console.doctor import check_display

_display = check_display(os.environ)

needs_display = pytest.mark.skipif(not _display.ok, reason=f"{_display.detail}: use xvfb-run")
