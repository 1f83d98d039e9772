"""The newest image wins, drops are counted, and the one worker ends when it is told or dies."""

import threading
import time

import pytest

from hand_pose_ros.ros.node.mailbox import Mailbox, Worker
from hand_pose_ros.ros.node.statistics import WINDOW_S, FrameStatistics


def test_the_newest_item_wins_and_the_others_are_counted():
    box = Mailbox()
    for item in (1, 2, 3):
        box.put(item)
    assert box.take() == 3
    assert box.dropped == 2
    box.put(4)
    assert box.take() == 4
    assert box.dropped == 2


def test_more_slots_keep_the_order_and_drop_the_oldest():
    box = Mailbox(3)
    for item in (1, 2, 3, 4):
        box.put(item)
    assert [box.take() for _ in range(3)] == [2, 3, 4]
    assert box.dropped == 1


def test_a_closed_mailbox_gives_nothing_and_takes_nothing():
    box = Mailbox()
    box.put(1)
    box.close()
    box.put(2)
    assert box.take() is None
    assert box.dropped == 0


def test_closing_wakes_who_waits():
    box, taken = Mailbox(), []
    waiting = threading.Thread(target=lambda: taken.append(box.take()))
    waiting.start()
    box.close()
    waiting.join(5.0)
    assert taken == [None]


def test_a_slow_worker_sees_only_the_newest_and_stops_when_told():
    seen, busy, go_on = [], threading.Event(), threading.Event()

    def work(item):
        seen.append(item)
        busy.set()
        go_on.wait(5.0)

    worker = Worker(work, lambda error: seen.append(error))
    worker.mailbox.put(0)
    assert busy.wait(5.0)
    for item in range(1, 6):
        worker.mailbox.put(item)
    go_on.set()
    limit = time.monotonic() + 5.0
    while len(seen) < 2 and time.monotonic() < limit:
        time.sleep(0.005)
    worker.stop()
    assert seen == [0, 5]
    assert worker.mailbox.dropped == 4


def test_a_worker_that_dies_says_of_what():
    died = threading.Event()
    errors = []

    def on_death(error):
        errors.append(error)
        died.set()

    worker = Worker(lambda item: 1 // item, on_death)
    worker.mailbox.put(0)
    assert died.wait(5.0)
    assert isinstance(errors[0], ZeroDivisionError)
    worker.stop()


def test_statistics_of_the_last_seconds():
    statistics = FrameStatistics()
    for index in range(101):
        statistics.receive()
        statistics.process(100.0 + 0.1 * index, age_ms=float(index), time_ms=7.0)
    statistics.refuse()
    seen = statistics.snapshot(110.0, dropped=4)
    assert (seen.received, seen.processed, seen.dropped, seen.refused) == (101, 101, 4, 1)
    assert seen.rate_hz == pytest.approx(10.0)
    assert seen.age_p50_ms == pytest.approx(50.0)
    assert seen.age_p95_ms == pytest.approx(95.0)
    assert seen.time_p95_ms == 7.0
    later = statistics.snapshot(110.0 + WINDOW_S + 1.0, dropped=4)
    assert later.rate_hz == 0.0
    assert later.age_p50_ms != later.age_p50_ms
    statistics.reset()
    assert statistics.snapshot(200.0, 0).received == 0
