"""A1111's ``modules.ui_components``."""
from modules.gradio_ui.foreign_components import (
    DropdownEditable, DropdownMulti, FormColorPicker, FormColumn, FormComponent, FormGroup, FormHTML, FormRow, InputAccordion,
    ResizeHandleRow, ToolButton,
)  # fmt: skip
