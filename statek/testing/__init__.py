"""Doubles for tests of agents: models that answer from a script or from a recorded transcript.

Everything else in a test should be the real thing.
"""

from __future__ import annotations

from statek.job_context import job_context
from statek.testing.recorded_provider import RecordedProvider
from statek.testing.scripted_model import ScriptedModel, scripted_call, scripted_reply
from statek.testing.transcript import Transcript, TranscriptError, load_transcript, parse_transcript

statek_context = job_context
"""``with statek_context(job, agent):`` makes ``get_current_job`` and its like answer so inside the block."""

__all__ = [
    "RecordedProvider",
    "ScriptedModel",
    "Transcript",
    "TranscriptError",
    "load_transcript",
    "parse_transcript",
    "scripted_call",
    "scripted_reply",
    "statek_context",
]
