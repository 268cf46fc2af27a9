"""Async performance: what runs on the event loop, background work, clients, caches."""

from async_performance import (
    background,
    blocking,
    caches,
    clients,
    loops,
    replies,
    responses,
    sequence,
    server,
    streams,
    tasks,
    threads,
    timeouts,
)
from async_performance.dimension import performance

__all__ = [
    "background",
    "blocking",
    "caches",
    "clients",
    "loops",
    "performance",
    "replies",
    "responses",
    "sequence",
    "server",
    "streams",
    "tasks",
    "threads",
    "timeouts",
]
