"""How much of a job's workspace outlives its steps.

The design's reading of the three ways of keeping state: nothing, in the process, in versions.
"""

from __future__ import annotations

import enum

from statek.exceptions import InvalidRequest

__all__ = ["JobMode", "require_durable_variables"]


class JobMode(enum.Enum):
    """What becomes of variables and files between the steps of a job. Calls are journaled in every mode.

    Attributes:
        STATELESS: nothing is kept; every step begins with the startup variables alone.
        LIVE: they stay where they are, in the job's runner, and go with it.
        DURABLE: every step makes a commit, which any later runner can begin with.
    """

    STATELESS = "stateless"
    LIVE = "live"
    DURABLE = "durable"

    @classmethod
    def parse(cls, text: str | JobMode) -> JobMode:
        """The mode of that name, in any letter case.

        Raises:
            InvalidRequest: there is no such mode.
        """
        if isinstance(text, JobMode):
            return text
        if not isinstance(text, str):
            raise InvalidRequest(f"a mode is given by its name, not as {type(text).__name__}")
        try:
            return cls(text.strip().lower())
        except ValueError:
            raise InvalidRequest(f"mode {text!r} is unknown; use stateless, live or durable") from None

    @property
    def remark(self) -> str:
        """What views of the past of such a job cannot show; empty for nothing."""
        return _REMARKS[self]


_REMARKS = {
    JobMode.STATELESS: "a stateless job keeps nothing between its steps: these are its startup variables",
    JobMode.LIVE: "a live job keeps its variables and files in its runner only: no commit has them",
    JobMode.DURABLE: "",
}


def require_durable_variables(id_: str, mode: JobMode) -> None:
    """Refuse to look for the variables or files of a live job where they never are.

    Args:
        id_: the job's id, for the error.
        mode: of the job.

    Raises:
        InvalidRequest: it is live.
    """
    if mode is JobMode.LIVE:
        raise InvalidRequest(f"job {id_}: {mode.remark}")
