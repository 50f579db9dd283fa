"""Errors cross the wire as what they were; whatever else arrives becomes an error too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.api.errors import detail_of, error_of, status_of
from orchestrator.api.limits import MAX_ERROR_TEXT_BYTES
from orchestrator.api.v1 import service_pb2 as pb
from statek import exceptions
from statek.exceptions import StatekError

ERRORS = [
    StatekError("s"),
    exceptions.ConfigurationError("c"),
    exceptions.InvalidRequest("i"),
    exceptions.ImageMismatch("job j1 was saved on the image a"),
    exceptions.InvalidFormat("line 3: no code"),
    exceptions.InvalidArchive("the archive is cut off"),
    exceptions.FutureSettled("future f1 is resolved"),
    exceptions.NotFound("job j7 does not exist"),
    exceptions.CommitDropped("commit 3 was dropped"),
    exceptions.UnstorableValue("value['a']", "a lone surrogate"),
    exceptions.FutureError(message="not ready"),
    exceptions.FutureCancelled(message="called off"),
    exceptions.FutureFailed(message="ended without a value"),
    exceptions.AccessDenied("no", rule="acl:Meeting.title"),
    exceptions.LimitExceeded("api_values", 1000, 1001.5, "send less"),
    exceptions.HistoryFull("history_bytes", 1000, 1001, "compact"),
    exceptions.ToolChanged("tool pay has changed", tool="pay"),
    exceptions.JobFailed("no luck", kind="model"),
    exceptions.LLM_HarnessError("max_turns is 3"),
    exceptions.StaleObjectError("stale"),
    exceptions.ModelError("busy", retryable=True),
    exceptions.ToolError("ValueError", "bad"),
    exceptions.DivergenceError("d"),
    exceptions.RunnerError("r"),
    exceptions.RunnerViolation("v"),
    exceptions.RunnerLost("l"),
    exceptions.RestoreFailed("rf"),
    exceptions.StoreError("st"),
    exceptions.StoreLocked("sl"),
    exceptions.StoreDamaged("sd"),
    exceptions.StoreFull("sf"),
    exceptions.StoreVersionError("sv"),
    exceptions.InternalError("ie"),
]


def test_every_class_of_the_tree_is_here_and_has_a_status_of_its_own_choice() -> None:
    named = {getattr(exceptions, name) for name in exceptions.__all__} - {exceptions.JobExit}  # no error: never sent
    assert {type(error) for error in ERRORS} == named
    undecided = [error.code for error in ERRORS if status_of(error).name == "UNKNOWN"]
    assert undecided == ["statek"]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_an_error_arrives_with_its_class_text_and_attributes(error: StatekError) -> None:
    found = error_of(detail_of(error).SerializeToString())
    attributes = {name: getattr(found, name) for name in vars(error)}
    assert (type(found), str(found), found.code, attributes) == (type(error), str(error), error.code, vars(error))
    assert vars(found).keys() <= vars(error).keys()


def test_a_code_of_a_newer_service_stays_readable() -> None:
    found = error_of(pb.ErrorDetail(code="too_new", message_text=b"m").SerializeToString())
    assert (type(found), str(found), found.code) == (StatekError, "m", "too_new")


@given(st.text(st.characters(), max_size=3000))
def test_any_text_arrives_or_is_cut_to_the_bound(text: str) -> None:
    detail = detail_of(exceptions.InvalidRequest(text))
    assert len(detail.message_text) <= MAX_ERROR_TEXT_BYTES
    found = str(error_of(detail.SerializeToString()))
    if len(text.encode("utf-8", "surrogatepass")) <= MAX_ERROR_TEXT_BYTES:
        assert found == text
    else:
        assert found.endswith("...")


@given(st.binary(max_size=200))
def test_any_bytes_become_an_error(data: bytes) -> None:
    assert isinstance(error_of(data), StatekError)
