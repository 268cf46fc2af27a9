"""Notes in a log when an answer goes out, to prove what happens before and after it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Wire:
    """An ASGI application that adds ``answer STATUS`` and ``body`` to `log` as they are sent."""

    def __init__(self, app: ASGIApp, log: list[str]) -> None:
        self.app, self.log = app, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.log.append(f"answer {message['status']}")
            elif message.get("body"):
                self.log.append("body")
            await send(message)

        await self.app(scope, receive, noted)
