"""A1111's ``modules.errors``."""
from modules.a1111.shared_values import check_versions, display, display_once, get_exceptions, print_error_explanation, record_exception, report, run

exception_records: list = []
