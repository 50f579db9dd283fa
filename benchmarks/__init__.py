"""Benchmarks of the real path: real store with its flush guard, real runners, a scripted model without latency.

``python -m benchmarks`` runs all, ``python -m benchmarks --smoke`` each one briefly. docs/performance.md explains
the numbers.
"""
