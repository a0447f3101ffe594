"""The comparisons behind the numbers in docs/: configuration over the pipeline's own modules, one command a table."""
