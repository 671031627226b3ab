"""Live output as progress."""

import anyio

from open_agent.mcp.servers.progress import SHOWN, Progress


async def test_what_comes_while_a_client_is_slow_is_joined_and_bounded() -> None:
    heard: list[tuple[float, str | None]] = []
    may_go_on = anyio.Event()
    is_heard = anyio.Event()

    async def report(
        progress: float, total: float | None = None, message: str | None = None
    ) -> None:
        assert total is None
        heard.append((progress, message))
        is_heard.set()
        await may_go_on.wait()

    with anyio.fail_after(4):
        async with Progress(report) as progress:
            progress.emit("first")
            await is_heard.wait()
            for _ in range(100):
                progress.emit("x" * 1000)
            progress.emit("last")
            is_heard = anyio.Event()
            may_go_on.set()
            await is_heard.wait()
    assert heard[0] == (1, "first")
    assert heard[1][0] == 2
    assert heard[1][1] is not None
    assert heard[1][1].endswith("last")
    assert len(heard[1][1]) == SHOWN


async def test_a_client_that_takes_nothing_holds_nothing_up() -> None:
    async def report(
        progress: float, total: float | None = None, message: str | None = None
    ) -> None:
        del progress, total, message
        await anyio.sleep_forever()

    with anyio.fail_after(4):
        async with Progress(report) as progress:
            progress.emit("one")
            await anyio.lowlevel.checkpoint()
