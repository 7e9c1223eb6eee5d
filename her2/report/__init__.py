"""The report of a study: one HTML file that needs nothing else, and tables as CSV and XLSX."""

from her2.report.document import render_report, write_page, write_report
from her2.report.report_tables import ReportInput
from her2.report.table_files import guard, unguard, write_tables

__all__ = [
    "ReportInput", "guard", "render_report", "unguard", "write_page", "write_report",
    "write_tables",
]  # fmt: skip
