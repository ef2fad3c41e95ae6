"""Volumes kept in memory: a cap, the oldest leaves, one load however many ask."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import SimpleITK as sitk

from cloud.series.cache import VolumeCache
from cloud.series.volume import Volume


def volume(size_bytes: int = 100) -> Volume:
    return Volume(
        image=sitk.Image([1, 1, 1], sitk.sitkInt16),
        scale=1.0,
        offset=0.0,
        background=0,
        size_bytes=size_bytes,
    )


class Loads:
    """Counts loads; each waits until it may end."""

    def __init__(self, size_bytes: int = 100) -> None:
        self.count = 0
        self.may_end = threading.Event()
        self.begun = threading.Event()
        self._size_bytes = size_bytes
        self._lock = threading.Lock()

    def __call__(self) -> Volume:
        with self._lock:
            self.count += 1
        self.begun.set()
        assert self.may_end.wait(30)
        return volume(self._size_bytes)


def must_not_load() -> Volume:
    raise AssertionError("it is kept")


@pytest.mark.req("MPR-07")
def test_one_load_for_all_who_ask() -> None:
    """Eight threads that ask for the same volume at once get the same one, loaded once."""
    cache, load = VolumeCache(1_000), Loads()
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(cache.get, "a", load) for _ in range(8)]
        assert load.begun.wait(30)
        load.may_end.set()
        got = {id(each.result(30)) for each in asked}
    assert 1 == len(got)
    assert 1 == load.count
    assert 100 == cache.size_bytes


@pytest.mark.req("MPR-07")
def test_a_load_does_not_hold_up_another() -> None:
    """While one volume loads, others are loaded and handed out."""
    cache, slow = VolumeCache(1_000), Loads()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(cache.get, "slow", slow)
        assert slow.begun.wait(30)
        assert 100 == cache.get("quick", volume).size_bytes
        slow.may_end.set()
        waiting.result(30)
    assert 200 == cache.size_bytes


@pytest.mark.req("MPR-07")
def test_the_least_recently_used_leaves() -> None:
    """Above the cap the one that was not used for longest goes; one above the cap alone is not kept."""
    cache = VolumeCache(250)
    for key in ("a", "b"):
        cache.get(key, volume)
    cache.get("a", must_not_load)
    cache.get("c", volume)
    cache.get("a", must_not_load)
    cache.get("c", must_not_load)
    assert 200 == cache.size_bytes
    with pytest.raises(AssertionError):
        cache.get("b", must_not_load)
    assert 900 == cache.get("big", lambda: volume(900)).size_bytes
    cache.get("a", must_not_load)
    cache.forget("a")
    cache.forget("never there")
    assert 100 == cache.size_bytes


@pytest.mark.req("MPR-07")
def test_a_failed_load_is_everyones_and_tried_again() -> None:
    """Who waits for a load that fails gets its error; the next to ask loads again."""
    cache = VolumeCache(1_000)
    begun, may_fail = threading.Event(), threading.Event()

    def fail() -> Volume:
        begun.set()
        assert may_fail.wait(30)
        raise ValueError("no")

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(cache.get, "a", fail)
        assert begun.wait(30)
        second = threads.submit(cache.get, "a", fail)
        may_fail.set()
        for asked in (first, second):
            with pytest.raises(ValueError, match="no"):
                asked.result(30)
    assert 100 == cache.get("a", volume).size_bytes
