"""The host's messages to an executor, serialized."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.sandboxes.step import Action, CallAnswer, CallRequest, RestoreOptions, StepInput, Workspace
from sandbox_runner.wire.v1 import runner_pb2 as pb

__all__ = ["blocks_frame", "restore_frame", "result_frame", "run_frame"]


def blocks_frame(blocks: Sequence[tuple[int, bytes]]) -> bytes:
    """Blocks under ids of the host (even), at least one."""
    messages = [pb.Block(id=block_id, data=data) for block_id, data in blocks]
    if len(messages) == 1:
        return pb.ToExecutor(block=messages[0]).SerializeToString()
    return pb.ToExecutor(blocks=pb.Blocks(blocks=messages)).SerializeToString()


def restore_frame(workspace: Workspace, ids: Mapping[str, int], how: RestoreOptions) -> bytes:
    """The starting commit; ``ids`` gives the id under which each digest's block was sent."""
    restore = pb.Restore(
        components=[
            pb.Component(
                names=item.names,
                form=pb.Form.Name(item.form.value),
                blocks=[ids[digest] for digest in item.blocks],
                size_bytes=item.size_bytes,
                previews=item.previews,
            )
            for item in workspace.components
        ],
        files=[
            pb.File(
                path=item.path,
                mode=item.mode,
                size_bytes=item.size_bytes,
                blocks=[ids[digest] for digest in item.blocks],
            )
            for item in workspace.files
        ],
        lost=[pb.Lost(name=item.name, reason=item.reason) for item in workspace.lost],
        shared_context=how.shared_context,
        unsaved=how.unsaved,
        one_step=how.one_step,
    )
    return pb.ToExecutor(restore=restore).SerializeToString()


def run_frame(step: StepInput) -> bytes:
    """One step to run."""
    run = pb.RunStep(
        step=step.step,
        code=step.code,
        time_us=step.time_us,
        seed=step.seed,
        tools=[
            pb.ToolSpec(
                name=tool.name, signature=tool.signature, doc=tool.doc, objects=tool.objects, subject=tool.subject
            )
            for tool in step.tools
        ],
        handles=step.handles,
        echo=step.echo,
        max_calls=step.max_calls,
        actions=[_action(action) for action in step.actions],
        shared_context=step.shared_context,
        shared_names=step.shared_names,
        enums=step.enums,
    )
    return pb.ToExecutor(run=run).SerializeToString()


def _action(action: Action) -> pb.Action:
    return pb.Action(
        kind=pb.ActionKind.Name(action.kind.value),
        code=action.code,
        tool=action.tool,
        args=action.args,
        error_type=action.error_type,
        error_message=action.error_message,
    )


def result_frame(request: CallRequest, answer: CallAnswer, max_bytes: int) -> bytes:
    """The answer to a call; an answer that does not fit becomes the error that says so."""
    frame = _result(request, answer)
    if len(frame) <= max_bytes:
        return frame
    text = f"limit frame_bytes is {max_bytes}, this answer needs {len(frame)}"
    return _result(request, CallAnswer(error_type="LimitExceeded", error_message=text))


def _result(request: CallRequest, answer: CallAnswer) -> bytes:
    result = pb.CallResult(
        step=request.step,
        call=request.call,
        value=answer.value,
        error_type=answer.error_type,
        error_message=answer.error_message,
        handles=answer.handles,
        shown=[text.encode("utf-8", "backslashreplace").decode() for text in answer.shown],
    )
    return pb.ToExecutor(result=result).SerializeToString()
