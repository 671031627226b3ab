"""Text, thoughts and command output while they are being written, for whoever watches. Never stored."""

from open_agent.agent.context import RunContext
from open_agent.backends.opencode.protocol.parts import ReasoningPart, TextPart, ToolPart
from open_agent.backends.opencode.protocol.wire import FeedEvent
from open_agent.backends.opencode.session.facts import Step
from open_agent.backends.opencode.session.reading import Reading
from open_agent.core.ids import CallId
from open_agent.events.delta import DeltaKind, DeltaSource, DeltaStream


class Live:
    """The streams of one run."""

    def __init__(self, ctx: RunContext) -> None:
        self._ctx = ctx
        self._step: DeltaStream | None = None
        self._writing: tuple[str, int] = ("", 0)
        """The message and the try that the stream is of."""
        self._begun: set[str] = set()
        """Parts of it that something was written of."""
        self._kinds: set[DeltaKind] = set()
        self._outputs: dict[CallId, tuple[DeltaStream, int]] = {}

    def take(self, event: FeedEvent, reading: Reading) -> None:
        """Pass on what an event adds; it has been read, and what came of it recorded."""
        if event.type == "message.part.delta" and event.session_id == reading.session_id:
            self._write(event, reading)
        elif event.type == "message.part.updated" and isinstance(part := event.part(), ToolPart):
            self._output(part)

    def close_step(self) -> None:
        """The reply is on the log, or will not be."""
        stream, self._step = self._step, None
        self._begun.clear()
        self._kinds.clear()
        if stream is not None:
            stream.close()

    def close_call(self, call_id: CallId) -> None:
        """A call's output is on the log."""
        stream, _ = self._outputs.pop(call_id, (None, 0))
        if stream is not None:
            stream.close()

    def close(self) -> None:
        """Nothing more is written."""
        self.close_step()
        for call_id in list(self._outputs):
            self.close_call(call_id)

    def _write(self, event: FeedEvent, reading: Reading) -> None:
        step = reading.steps.get(str(event.properties.get("messageID")))
        delta = event.properties.get("delta")
        if step is None or step.stage != "asked" or not isinstance(delta, str):
            return
        part = step.parts.get(str(event.properties.get("partID")))
        if not isinstance(part, TextPart | ReasoningPart):
            return
        kind: DeltaKind = "text" if isinstance(part, TextPart) else "reasoning"
        stream = self._stream(step)
        if part.id not in self._begun:
            if kind in self._kinds:
                stream.write(kind, "\n\n")
            self._begun.add(part.id)
            self._kinds.add(kind)
        stream.write(kind, delta)

    def _stream(self, step: Step) -> DeltaStream:
        writing = (step.message_id, step.attempt)
        if self._step is not None and self._writing != writing:
            self.close_step()
        if self._step is None:
            source = DeltaSource(self._ctx.mission_id, self._ctx.run.run_id, step.number)
            self._step, self._writing = self._ctx.shared.deltas.open(source), writing
        return self._step

    def _output(self, part: ToolPart) -> None:
        output = part.state.metadata.get("output")
        if part.state.status != "running" or not isinstance(output, str):
            return
        call_id = CallId(part.id)
        stream, length = self._outputs.get(call_id, (None, 0))
        if len(output) <= length:
            return  # OpenCode shows the end of what is too long; the whole of it comes later.
        if stream is None:
            run = self._ctx.run
            source = DeltaSource(self._ctx.mission_id, run.run_id, run.step, call_id)
            stream = self._ctx.shared.deltas.open(source)
        stream.write("output", output[length:])
        self._outputs[call_id] = (stream, len(output))
