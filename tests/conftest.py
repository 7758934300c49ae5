"""Fixtures common to all tests."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder with the acquired recordings; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("ULTRASOUND_CONSOLE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder}: set ULTRASOUND_CONSOLE_DATA")
    return folder
