"""Predictions as files: their sources, the rule for gaps, tables, plots and rendered videos."""
