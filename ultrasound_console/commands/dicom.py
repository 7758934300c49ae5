"""The command that writes a source as a DICOM file, without a window."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from ..arguments import changes_of
from ..frames import DopplerFrame
from ..settings import Settings, group_of
from .terminal import InputError, check_output, note, show_progress, unwritten


def dicom(options: argparse.Namespace) -> int:
    """Write the frames of a source as one DICOM file."""
    from ..assets import AssetError
    from ..export.dicom import SUFFIX, DicomError, Patient, most_frames, write_dicom
    from ..export.dicom_page import Look
    from ..offline import Pipeline, open_source, play
    from ..pipeline import PipelineError
    from ..render.colour_maps import velocity_colours
    from ..render.colour_scale import loop_scale_m_s
    from ..sources import SourceError

    output: Path = options.output
    check_output(output)
    if output.suffix.lower() != SUFFIX or output.is_dir():
        raise InputError(f"{output}: give the name of a file that ends in {SUFFIX}")
    if options.frames is not None and options.frames < 1:
        raise InputError(f"--frames {options.frames}: give 1 or more")
    changes = changes_of(options)
    shown = {name: changes.pop(name) for name in list(changes) if group_of(name) == "display"}
    display = Settings().replace(**shown).display
    colours = velocity_colours(display.colour_map)
    try:
        patient = Patient(
            name=options.patient_name,
            identity=options.patient_id,
            birth_date=options.patient_birth_date,
            sex=options.patient_sex,
            study_date=options.study_date,
            study_description=options.study_description,
            accession_number=options.accession_number,
        )
        with (
            Pipeline(
                model=options.model, prf_divisor=options.prf_divisor, tell=note, **changes
            ) as pipeline,
            contextlib.closing(open_source(options.source, prf_hz=options.prf)) as source,
        ):
            acquisition = pipeline.configure(source)
            n_frames = options.frames or source.n_frames or 1
            fit = most_frames(acquisition, Look(display, options.panel, colours, 1.0))
            if n_frames > fit:
                raise InputError(f"{n_frames} frames are too many for a file: --frames {fit}")
            frames: list[DopplerFrame] = []
            for acquired in play(source, n_frames):
                show_progress(len(frames), n_frames)
                frames.append(pipeline.process(acquired))
            show_progress(n_frames, n_frames)
        scale_m_s = display.colour_scale_m_s or loop_scale_m_s(frames)
        write_dicom(output, frames, Look(display, options.panel, colours, scale_m_s), patient)
    except (DicomError, AssetError, SourceError, PipelineError) as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise unwritten(output, error) from error
    return 0
