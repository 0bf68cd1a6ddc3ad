"""Analysis of result files: reading (results), measures, pictures (plots), tables (selectivity), reports, exports."""
