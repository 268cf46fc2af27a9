"""Says how late it is after a nap."""

import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/naps/{seconds}")
async def take_nap(seconds: int) -> dict[str, float]:
    time.sleep(seconds)
    return {"now": time.time()}
