"""The OpenIGTLink stream as the window has it: on or off, and shown as long as it is on."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QLabel

from ..export.openigtlink import Server, StreamError, StreamOptions, StreamStatus
from ..frames import DopplerFrame
from ..settings import DisplaySettings
from ..status import State
from . import theme


class Streaming(QObject):
    """Hands what is on screen to the server; the window tells it how things are.

    Parameters
    ----------
    display : callable
        How the picture is shown now.

    Signals
    -------
    said : (text, is_error)
        Something for the user to read.

    Attributes
    ----------
    label : QLabel
        Port and clients, in view as long as there is a stream.
    """

    said = Signal(str, bool)

    def __init__(self, display: Callable[[], DisplaySettings]) -> None:
        super().__init__()
        self._display = display
        self._options = StreamOptions()
        self._server: Server | None = None
        self._frame: DopplerFrame | None = None
        self._state, self._is_replay = State.PREPARING, False
        self.label = QLabel()
        self.label.setObjectName("stream")
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setFont(theme.font(theme.SMALL_PX, bold=True))
        self.label.hide()

    # ---- what the user does ---------------------------------------------------------------

    def start(self, options: StreamOptions) -> None:
        """Let clients connect, from now on as these options say.

        Raises
        ------
        StreamError
            Nobody can listen there.
        """
        self._options = options
        self._server = Server(options)
        status = self._server.status
        self.said.emit(status.told, status.is_open)
        self.follow(self._state, is_replay=self._is_replay)

    def toggle(self) -> None:
        """Begin to stream, or stop."""
        if self._server is not None:
            self._stop("The OpenIGTLink stream has been stopped")
            return
        try:
            self.start(self._options)
        except StreamError as error:
            self.said.emit(str(error), True)

    # ---- what the window tells ------------------------------------------------------------

    def show(self, frame: DopplerFrame) -> None:
        """Send the frame that has come on screen; to be called after :meth:`follow`."""
        self._frame = frame
        if self._server is not None:
            self._server.show(frame, self._display())

    def forget(self) -> None:
        """Send the last frame no more: another source has been opened."""
        self._frame = None
        if self._server is not None:
            self._server.forget()

    def follow(self, state: State, *, is_replay: bool) -> None:
        """Tell clients how the console is, and show how the stream is."""
        self._state, self._is_replay = state, is_replay
        if self._server is None:
            return
        self._server.tell(state, is_replay=is_replay)
        frame = self._frame
        if frame is not None and (state is State.FROZEN or not frame.acquisition.frame_interval_s):
            self._server.show(frame, self._display())  # no other will come; its grey may change
        for text in self._server.take_notes():
            self.said.emit(text, False)
        status = self._server.status
        if status.fault:
            self._stop(status.fault, is_error=True)
        else:
            self._show_status(status)

    def close(self) -> None:
        """End the stream."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def _stop(self, told: str, *, is_error: bool = False) -> None:
        self.close()
        self.label.hide()
        self.said.emit(told, is_error)

    def _show_status(self, status: StreamStatus) -> None:
        n_clients, reach = len(status.clients), " OPEN" if status.is_open else ""
        clients = f"{n_clients} client{'s' * (n_clients != 1)}"
        text = f"OpenIGTLink {status.port}{reach}, {clients}"
        if text != self.label.text() or self.label.isHidden():
            self.label.setText(text)
            ink, ground = (
                (theme.GROUND, theme.WARNING) if status.is_open else (theme.TEXT, theme.ACCENT_FILL)
            )
            self.label.setStyleSheet(
                f"color: {ink}; background: {ground}; border-radius: 4px; padding: 1px 8px;"
            )
            self.label.show()
        self.label.setToolTip("\n".join((status.told, *status.clients)))
