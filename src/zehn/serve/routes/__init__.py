"""What can be asked over HTTP, a noun a file."""

from fastapi import APIRouter

from zehn.serve.routes import codes, collections, distortions, health, images, maps, runs, searches, sessions

ROUTERS: tuple[APIRouter, ...] = (
    searches.router,
    images.router,
    codes.router,
    collections.router,
    maps.router,
    distortions.router,
    runs.router,
    sessions.router,
    health.router,
)
"""Those that are asked most come first, as an address is compared with one after the other."""
