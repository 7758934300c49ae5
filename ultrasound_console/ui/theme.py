"""The look of the console: near-black, one accent, red and blue left to the flow."""

from __future__ import annotations

from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication

GROUND = "#0b0c0f"
STRIP = "#111318"
RAISED = "#1a1d23"
LINE = "#2a2e36"
TEXT = "#e6e8eb"
QUIET = "#9aa1ac"
CAPTION = "#b4bac3"
FAINT = "#8a919c"
DISABLED = "#6b717b"
ACCENT = "#3dccb3"
ACCENT_FILL = "#1f4a47"
LIVE = "#58c96b"
COLD = "#bfe3ff"
WARNING = "#f0b429"
ALARM = "#e5484d"

TEXT_PX = 12
SMALL_PX = 11
TITLE_PX = 14
CHIP_PX = 18

STYLE = f"""
QWidget {{ color: {TEXT}; }}
QMainWindow, QMenu, QDialog {{ background: {GROUND}; }}
QMenuBar {{ background: {STRIP}; }}
QMenuBar::item {{ padding: 3px 9px; background: transparent; }}
QMenuBar::item:selected, QMenu::item:selected {{ background: {ACCENT_FILL}; }}
QMenu {{ background: {RAISED}; border: 1px solid {LINE}; padding: 4px; }}
QMenu::item {{ padding: 5px 24px; }}
QMenu::item:disabled {{ color: {FAINT}; }}
QMenu::separator {{ height: 1px; background: {LINE}; margin: 4px 8px; }}
QToolTip {{ color: {TEXT}; background: {RAISED}; border: 1px solid {ACCENT}; padding: 4px; }}
#strip, #controls, #tools, #cine, #status {{ background: {STRIP}; }}
QScrollArea, QScrollArea > QWidget > QWidget#controls {{ border: none; background: {STRIP}; }}
QScrollBar:vertical {{ background: {STRIP}; width: 6px; margin: 0; }}
QScrollBar::handle:vertical {{ background: {LINE}; border-radius: 3px; min-height: 30px; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QPushButton, QToolButton {{
    background: {RAISED}; border: 1px solid {LINE}; border-radius: 4px; padding: 4px 9px;
}}
QToolButton[popupMode="2"] {{ padding: 4px 16px 4px 8px; }}
QToolButton::menu-indicator {{ subcontrol-position: right center; right: 3px; }}
QToolButton#heading {{
    background: transparent; border: 1px solid transparent; padding: 2px 0; color: {QUIET};
    font-size: {SMALL_PX}px; text-align: left;
}}
QPushButton:hover, QToolButton:hover {{ border-color: {QUIET}; }}
QPushButton:focus, QToolButton:focus, QToolButton#heading:focus {{ border-color: {ACCENT}; }}
QPushButton:pressed, QToolButton:pressed {{ background: {ACCENT_FILL}; }}
QPushButton:disabled, QToolButton:disabled {{ color: {DISABLED}; }}
QDialog QLineEdit, QDialog QAbstractSpinBox {{
    background: {RAISED}; border: 1px solid {LINE}; border-radius: 4px; padding: 3px 6px;
}}
QDialog QLineEdit:focus, QDialog QAbstractSpinBox:focus {{ border-color: {ACCENT}; }}
QFileDialog QToolButton {{ padding: 2px; }}
QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
"""


def quiet(text: str) -> str:
    """Rich text in the colour of a caption."""
    return f"<span style='color:{QUIET}'>{text}</span>"


def font(size_px: int = TEXT_PX, *, bold: bool = False) -> QFont:
    """Return the console's typeface at a size in logical pixels."""
    made = QFont(QApplication.font())
    made.setPixelSize(size_px)
    made.setBold(bold)
    return made


def apply(application: QApplication) -> None:
    """Dress the whole application."""
    application.setStyle("Fusion")
    face = application.font()
    face.setPixelSize(TEXT_PX)
    application.setFont(face)
    palette = QPalette()
    for role, colour in (
        (QPalette.ColorRole.Window, GROUND),
        (QPalette.ColorRole.Base, GROUND),
        (QPalette.ColorRole.AlternateBase, STRIP),
        (QPalette.ColorRole.Button, RAISED),
        (QPalette.ColorRole.WindowText, TEXT),
        (QPalette.ColorRole.Text, TEXT),
        (QPalette.ColorRole.ButtonText, TEXT),
        (QPalette.ColorRole.ToolTipBase, RAISED),
        (QPalette.ColorRole.ToolTipText, TEXT),
        (QPalette.ColorRole.Highlight, ACCENT),
        (QPalette.ColorRole.HighlightedText, GROUND),
        (QPalette.ColorRole.PlaceholderText, FAINT),
    ):
        palette.setColor(role, QColor(colour))
    application.setPalette(palette)
    application.setStyleSheet(STYLE)
