"""Scripts behind make: set-up, lock files, generated code."""
