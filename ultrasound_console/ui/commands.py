"""Everything that can be asked for by menu or key, in the order of the menu."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..flow_states import FLOW_STATES
from ..record.content import Content
from ..settings.display import DUAL, TRIPLE
from ..sources import source_names
from . import ab, dicom, flow_switch, plots, recorder, saving
from .actions import Command, FilledWhenOpened, Group
from .engineer import window as engineer
from .presets import SAVE_KEYS
from .tools import exporting
from .tools.annotations import CLEAR_KEYS as CLEAR_NOTES_KEYS
from .tools.correcting import ACCEPT_KEY, SAVE_KEY

if TYPE_CHECKING:
    from .window import MainWindow

_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def groups(window: MainWindow) -> tuple[Group, ...]:
    """Everything that can be asked for by menu or key."""
    cine, tools, correcting = window.cine, window.tools.row, window.tools.correcting
    regions, keys = window.tools.regions, window.tools.lines.keys
    recording, settings, keep = window.recording, window.settings, window.saving
    scenes = FilledWhenOpened("Simulated", window, source_names, window.open_source)
    return (
        Group(
            "Sources",
            (
                Command("Start page", "Ctrl+Home", window.show_start_page),
                Command(f"Open a recording {_ELLIPSIS}", "Ctrl+O", window.choose_file),
            ),
            (scenes,),
        ),
        Group(
            "Record and save",
            (
                Command("Record, or stop", recorder.RECORD_KEYS, recording.toggle),
                Command("Record beamformed samples", "", partial(recording.toggle, Content.IQ)),
                Command("Save the loop, in to out", recorder.SAVE_KEYS, recording.save_loop),
                Command(f"Folder for recordings {_ELLIPSIS}", "", recording.choose_folder),
                Command("Stream by OpenIGTLink, or stop", "", window.streaming.toggle),
                Command(f"Save picture {_ELLIPSIS}", saving.PICTURE_KEYS, keep.save_picture),
                Command("Copy picture", saving.COPY_KEYS, keep.copy_picture),
                Command(f"Save clip {_ELLIPSIS}", saving.CLIP_KEYS, keep.save_clip),
                Command(f"Save the loop as DICOM {_ELLIPSIS}", dicom.KEYS, window.dicom.save),
                Command(
                    f"Export measurements {_ELLIPSIS}",
                    exporting.KEYS,
                    window.tools.measurements.ask,
                ),
            ),
        ),
        Group(
            "Settings",
            (
                Command("Undo", "Ctrl+Z", _either(correcting.undo, settings.undo)),
                Command(
                    "Redo",
                    "Ctrl+Shift+Z",
                    _either(correcting.redo, settings.redo),
                    more_keys=("Ctrl+Y",),
                ),
                Command(f"Save preset {_ELLIPSIS}", SAVE_KEYS, window.preset.ask_name),
                *(
                    Command(
                        f"Flow state {state.name}",
                        keys,
                        partial(window.controls.flow.choose, state),
                        in_menu=False,
                    )
                    for keys, state in zip(flow_switch.KEYS, FLOW_STATES, strict=True)
                ),
            ),
            (window.preset.menu_of_presets,),
        ),
        Group(
            "Picture",
            (
                Command("One panel, and the next one", "1", settings.show_one_panel),
                Command("Two panels", "2", lambda: settings.apply({"view": DUAL})),
                Command("Three panels", "3", lambda: settings.apply({"view": TRIPLE})),
                Command("Swap the panels", "X", settings.swap_panels),
                Command("Next colour map", "M", settings.next_colour_map),
                Command("Fit the picture", "Ctrl+0", window.canvas.reset_view),
                Command("Plots under the pictures", plots.KEY, window.tools.plots.toggle),
            ),
        ),
        Group(
            "Tools",
            (
                *(
                    Command(entry.tooltip, entry.key, partial(tools.choose, entry.name))
                    for entry in tools.entries
                ),
                Command("Remove what is selected", "Del", tools.remove),
                Command("Remove all notes", CLEAR_NOTES_KEYS, window.tools.annotations.clear),
                Command(
                    "No angle correction", "Shift+G", lambda: settings.apply({"angle_rad": 0.0})
                ),
            ),
        ),
        Group(
            "Region or line",
            (
                Command("Region or line in the vessel", "Ins", _either(keys.add, regions.add)),
                Command(
                    "Next region",
                    "N",
                    _either(correcting.select_next, regions.select_next),
                    in_menu=False,
                ),
                *(
                    Command(f"Region or line {what}", key, act, in_menu=False)
                    for what, key, act in (
                        ("to the left", "Ctrl+Left", _either(keys.move, regions.move, -1, 0)),
                        ("to the right", "Ctrl+Right", _either(keys.move, regions.move, 1, 0)),
                        ("up", "Ctrl+Up", _either(keys.move, regions.move, 0, -1)),
                        ("down", "Ctrl+Down", _either(keys.move, regions.move, 0, 1)),
                        (
                            "shorter",
                            "Ctrl+Shift+Left",
                            _either(keys.stretch, regions.stretch, -1, 0),
                        ),
                        (
                            "longer",
                            "Ctrl+Shift+Right",
                            _either(keys.stretch, regions.stretch, 1, 0),
                        ),
                        ("wider", "Ctrl+Shift+Up", _either(keys.stretch, regions.stretch, 0, 1)),
                        (
                            "narrower",
                            "Ctrl+Shift+Down",
                            _either(keys.stretch, regions.stretch, 0, -1),
                        ),
                        ("turned back", "Ctrl+PgUp", _either(keys.turn, regions.turn, -1)),
                        ("turned", "Ctrl+PgDown", _either(keys.turn, regions.turn, 1)),
                    )
                ),
            ),
        ),
        Group(
            "Correct by hand",
            (
                Command("All folds are right", ACCEPT_KEY, correcting.accept),
                Command("Save label", SAVE_KEY, correcting.save),
                Command(f"Folder for labels {_ELLIPSIS}", "", correcting.choose_folder),
                Command(
                    "One fold more",
                    "+",
                    partial(correcting.step, 1),
                    in_menu=False,
                    more_keys=("=",),
                ),
                Command("One fold less", "-", partial(correcting.step, -1), in_menu=False),
                Command("Select all flow", "Ctrl+A", correcting.select_all, in_menu=False),
                Command("Larger brush", "]", partial(correcting.resize_brush, 1), in_menu=False),
                Command("Smaller brush", "[", partial(correcting.resize_brush, -1), in_menu=False),
            ),
        ),
        Group(
            "Cine",
            (
                Command("Freeze, or go on", "Space", window.toggle_freeze, in_menu=False),
                Command("Frame before", "Left", cine.before, in_menu=False),
                Command("Next frame", "Right", cine.next, in_menu=False),
                Command("First frame", "Home", cine.first, in_menu=False),
                Command("Last frame", "End", cine.last, in_menu=False),
                Command("Play the loop, or stop", "P", cine.toggle_play, in_menu=False),
                Command("Play slower", ",", cine.slower, in_menu=False),
                Command("Play faster", ".", cine.faster, in_menu=False),
                Command("Loop from here", "I", cine.mark_in, in_menu=False),
                Command("Loop up to here", "O", cine.mark_out, in_menu=False),
                Command("Peak systole", "S", cine.to_peak_systole, in_menu=False),
                Command("Most aliasing", "A", cine.to_peak_aliasing, in_menu=False),
                Command("Process the loop again", "Ctrl+R", cine.toggle_rerun, in_menu=False),
                Command("Keep as A; hold J to see A", ab.KEEP_KEY, window.ab.keep),
                Command("A and B side by side", ab.BESIDE_KEY, window.ab.toggle_beside),
                Command("Keep A no longer", ab.END_KEY, window.ab.end),
            ),
        ),
        Group(
            "Window",
            (
                Command("More controls", "F9", window.controls.toggle),
                Command("Full screen", "F11", window.toggle_full_screen),
                Command(
                    "For engineers",
                    engineer.KEYS,
                    window.engineer.toggle,
                    more_keys=(engineer.MORE_KEYS,),
                ),
                Command("Menu", "F10", window.top.menu_button.showMenu, in_menu=False),
                Command("Keys and mouse", "F1", window.sheet.toggle),
                Command("Quit", "Ctrl+Q", window.close),
            ),
        ),
    )


def _either(
    one: Callable[..., bool], other: Callable[..., object], *steps: int
) -> Callable[[], object]:
    """Do one thing or, where that says that it was not asked, another."""
    return lambda: one(*steps) or other(*steps)
