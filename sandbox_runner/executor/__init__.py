"""The process inside a runner that runs the job's code."""

from __future__ import annotations

from sandbox_runner.executor.main import run_executor

__all__ = ["run_executor"]
