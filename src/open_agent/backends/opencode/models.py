"""The models that runs on OpenCode can have: asked for once, at the edge, and known by then.

Above: the services that accept work, and the run loop. An OpenCode of our own need not run for it:
what it will be told is known here.
"""

from collections.abc import Callable, Collection, Sequence

from anyio import to_thread

from open_agent.backends.opencode.matching import match_model
from open_agent.backends.opencode.protocol.wire import ModelRef
from open_agent.backends.opencode.servers.server import OpenCodeServer
from open_agent.core.errors import Invalid


class OpenCodeModels:
    """The models of one OpenCode.

    Args:
        server: Asked for its models, where it is not ours.
        offered: Of one of ours: the models it is given. May read the price list.
        unchosen: Names that our own loop goes by when nobody chose a model; OpenCode then takes the
            one that it is configured with.
        unusable: Why no model can be called at all; none when they can.
        nameless: Why runs that name no model, or an unchosen one, cannot be; none when they can.
    """

    def __init__(
        self,
        server: OpenCodeServer,
        *,
        offered: Callable[[], Sequence[ModelRef]] | None = None,
        unchosen: Collection[str] = (),
        unusable: str | None = None,
        nameless: str | None = None,
    ) -> None:
        self._server = server
        self._offered = offered
        self._unchosen = frozenset(unchosen)
        self._unusable = unusable
        self._nameless = unusable or nameless
        self._own: Sequence[ModelRef] | None = None

    async def resolve(self, name: str | None) -> ModelRef | None:
        """What to ask OpenCode for; nothing where its own choice is meant.

        Raises:
            Invalid: There is no such model (`model.unknown`, with near names), there are several
                (`model.ambiguous`), or none can be called here (`model.unusable`).
            Unavailable: OpenCode has to be asked, and cannot be.
        """
        if name is None:
            return self._choose_none(None)
        if self._unusable is not None:
            raise Invalid("model.unusable", self._unusable, {"model": name})
        try:
            found = await self._known()
            return await to_thread.run_sync(match_model, name, found)
        except Invalid:
            if name not in self._unchosen:
                raise
            return self._choose_none(name)

    async def checked(self, name: str | None) -> str | None:
        """A name as it is recorded: of ours as the endpoint has it, of others `provider/model`.

        Raises:
            Invalid: As `resolve`.
            Unavailable: As `resolve`.
        """
        ref = await self.resolve(name)
        return None if ref is None else self.name_of(ref)

    def name_of(self, ref: ModelRef) -> str:
        """The name under which a model is recorded, that of the one that answered too."""
        return ref.model_id if self._offered is not None else str(ref)

    def _choose_none(self, name: str | None) -> None:
        if self._nameless is not None:
            raise Invalid("model.unusable", self._nameless, {"model": name})

    async def _known(self) -> Sequence[ModelRef]:
        if self._offered is None:
            client = await self._server.client()
            return [model.ref for model in await client.models()]
        if self._own is None:
            self._own = await to_thread.run_sync(self._offered)
        return self._own
