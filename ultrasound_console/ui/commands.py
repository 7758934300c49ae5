"""Everything that can be asked for by menu or key, in the order of the menu."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..flow_states import FLOW_STATES
from ..settings.display import DUAL, TRIPLE
from ..sources import source_names
from . import flow_switch
from .actions import Command, FilledWhenOpened, Group
from .presets import SAVE_KEYS

if TYPE_CHECKING:
    from .window import MainWindow

_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def groups(window: MainWindow) -> tuple[Group, ...]:
    """Everything that can be asked for by menu or key."""
    cine, tools = window.cine, window.tools
    scenes = FilledWhenOpened("Simulated", window, source_names, window.open_source)
    return (
        Group(
            "Sources",
            (Command(f"Open a recording {_ELLIPSIS}", "Ctrl+O", window.choose_file),),
            (scenes,),
        ),
        Group(
            "Settings",
            (
                Command("Undo", "Ctrl+Z", window.undo),
                Command("Redo", "Ctrl+Shift+Z", window.redo, more_keys=("Ctrl+Y",)),
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
                Command("One panel, and the next one", "1", window.show_one_panel),
                Command("Two panels", "2", lambda: window.apply({"view": DUAL})),
                Command("Three panels", "3", lambda: window.apply({"view": TRIPLE})),
                Command("Swap the panels", "X", window.swap_panels),
                Command("Next colour map", "M", window.next_colour_map),
                Command("Fit the picture", "Ctrl+0", window.canvas.reset_view),
            ),
        ),
        Group(
            "Tools",
            tuple(
                Command(entry.tooltip, entry.key, partial(tools.choose, entry.name))
                for entry in tools.entries
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
            ),
        ),
        Group(
            "Window",
            (
                Command("More controls", "F9", window.toggle_controls),
                Command("Full screen", "F11", window.toggle_full_screen),
                Command("Menu", "F10", window.top.menu_button.showMenu, in_menu=False),
                Command("Keys and mouse", "F1", window.sheet.toggle),
                Command("Quit", "Ctrl+Q", window.close),
            ),
        ),
    )
