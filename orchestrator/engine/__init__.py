"""The engine: submits, drives, recovers and inspects jobs."""
