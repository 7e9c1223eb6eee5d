"""The report of a study: one HTML file that needs nothing else, and tables as CSV."""

from her2.report.document import ReportInput, render_report, write_report
from her2.report.tables import guard, unguard, write_tables

__all__ = ["ReportInput", "guard", "render_report", "unguard", "write_report", "write_tables"]
