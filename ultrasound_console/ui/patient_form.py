"""Who a DICOM file is about: asked for each file anew, and kept nowhere else."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from ..export.dicom import DicomError, Patient
from . import theme

SAVE_NAMELESS, SAVE_NAMED = "Save without a name", "Save with this"
_WHY = (
    "None of this has to be given: left empty, the file names nobody. What is written here goes "
    "into this one file. It is not remembered, and not in the file's name."
)
_LINES = (
    ("name", "Patient name", "Family^Given"),
    ("identity", "Patient ID", ""),
    ("birth_date", "Birth date", "YYYYMMDD"),
    ("sex", "Sex", ""),
    ("study_date", "Day of the study", "YYYYMMDD"),
    ("study_description", "Study description", ""),
    ("accession_number", "Accession number", ""),
)
_LABELS = {name: label for name, label, _ in _LINES}
_DAYS = ("birth_date", "study_date")
_SEXES = {"Not given": "", "Female": "F", "Male": "M", "Other": "O"}
_WIDE_PX = 400


class PatientForm(QDialog):
    """A small form; empty as it opens, whatever was written last time.

    Parameters
    ----------
    over : QWidget
    file_name : str
        Of the file that it is about.

    Signals
    -------
    given : (patient)
        What is to be in the file; nobody where nothing was written.
    """

    given = Signal(object)

    def __init__(self, over: QWidget, file_name: str) -> None:
        super().__init__(over)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"Patient in {file_name}")
        self.setFixedWidth(_WIDE_PX)
        why = QLabel(_WHY)
        why.setWordWrap(True)
        why.setStyleSheet(f"color: {theme.CAPTION};")
        self.sex = QComboBox()
        self.sex.addItems(list(_SEXES))
        self.sex.currentTextChanged.connect(self._follow)
        self.fault = QLabel()
        self.fault.setObjectName("patient_fault")
        self.fault.setTextFormat(Qt.TextFormat.PlainText)
        self.fault.setWordWrap(True)
        self.fault.setStyleSheet(f"color: {theme.WARNING};")
        self.fault.hide()
        form = QFormLayout()
        form.setVerticalSpacing(6)
        self.lines: dict[str, QLineEdit] = {}
        for name, label, example in _LINES:
            if name == "sex":
                form.addRow(label, self.sex)
                continue
            line = self.lines[name] = QLineEdit()
            line.setPlaceholderText(example)
            # No keyboard on screen learns a patient's name.
            line.setInputMethodHints(Qt.InputMethodHint.ImhSensitiveData)
            line.textChanged.connect(self._follow)
            form.addRow(label, line)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.save = buttons.addButton("", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self._on_save)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setSpacing(10)
        column.addWidget(why)
        column.addLayout(form)
        column.addWidget(self.fault)
        column.addWidget(buttons)
        self.save.setDefault(True)  # known to the form only from here on
        self._follow()
        self.lines["name"].setFocus()

    def _texts(self) -> dict[str, str]:
        """Take what is written, by the fields of a patient."""
        texts = {name: line.text().strip() for name, line in self.lines.items()}
        # 1970-01-31 is as plain; the same with the year last stays no day.
        texts |= {name: texts[name].replace("-", "") for name in _DAYS}
        return texts | {"sex": _SEXES[self.sex.currentText()]}

    def _follow(self) -> None:
        """Say on the button what will be in the file, and complain no longer."""
        self.save.setText(SAVE_NAMED if any(self._texts().values()) else SAVE_NAMELESS)
        self.fault.hide()

    def _on_save(self) -> None:
        """Give what is written, or say which field cannot be so, and go there."""
        texts = self._texts()
        for name, text in texts.items():
            try:
                Patient(**{name: text})
            except DicomError as error:
                reason = str(error).rpartition(": ")[2]
                self.fault.setText(f"{_LABELS[name]}: {reason}")
                self.fault.show()
                self.adjustSize()
                self.lines[name].setFocus()
                self.lines[name].selectAll()
                return
        self.accept()
        self.given.emit(Patient(**texts))
