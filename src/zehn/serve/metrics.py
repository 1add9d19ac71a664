"""What Prometheus reads: requests, waiting, batches, images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.types import Scope

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_NO_ROUTE = "none"
"""Instead of addresses that are not ours, of which there are as many as anybody likes."""


class Metrics:
    """The figures of one service; each has its own, so that two in a process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "zehn_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "zehn_request_seconds", "From request to answer.", ("route",), buckets=_SECONDS, registry=self.registry
        )
        self.batch_sizes = Histogram(
            "zehn_batch_size", "Items done at once.", ("queue",), buckets=_SIZES, registry=self.registry
        )
        self.waiting = Gauge(
            "zehn_queue_depth", "Items that wait or are being done.", ("queue",), registry=self.registry
        )
        self.encoded = Counter("zehn_images_encoded", "Images that went through the model.", registry=self.registry)

    def note(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one request."""
        route = getattr(scope.get("route"), "path", _NO_ROUTE) or _NO_ROUTE
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def count_images(self, counts: Callable[[], Iterable[tuple[str, int]]]) -> None:
        """Have the images of each collection counted whenever the figures are read."""
        self.registry.register(_Images(counts))

    def text(self) -> bytes:
        """Return the figures as Prometheus reads them."""
        return generate_latest(self.registry)


class _Images(Collector):
    def __init__(self, counts: Callable[[], Iterable[tuple[str, int]]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("zehn_images", "Images of a collection.", labels=["collection"])
        for name, n_images in self._counts():
            family.add_metric([name], n_images)
        yield family

    def describe(self) -> Iterator[Metric]:
        return iter(())
