"""The bell of a roll-out: many boxes, few at a time (over a real broker: test_broker.py)."""

from __future__ import annotations

import msgspec

from device.messages import Order
from fleet.mqtt import Outgoing
from fleet.ring import BOXES_MAX, COUNT, EACH_S, Bell
from ota.clock import Deadline


class Broker:
    """Takes what is sent while it is there."""

    def __init__(self) -> None:
        self.there, self.sent = True, []  # type: ignore[var-annotated]

    def __call__(self, message: Outgoing) -> bool:
        if self.there:
            self.sent.append(message)
        return self.there


def test_many_boxes_are_rung_few_at_a_time() -> None:
    broker = Broker()
    bell = Bell("vitrine/tea", broker)
    boxes = [f"shop-{number:05d}" for number in range(5_000)]
    assert bell.ring(boxes) == 5_000
    turns, most = 1, 0
    while bell.turn():
        turns, most = turns + 1, max(most, len(broker.sent) - COUNT * turns)
    assert most <= 0 and turns * COUNT == 5_000
    assert 200 < 50_000 / COUNT * EACH_S < 300, "seconds for a chain of that size"
    topics = [message.topic for message in broker.sent]
    assert sorted(topics) == [f"vitrine/tea/{box}/command" for box in boxes] != topics
    order = msgspec.json.decode(broker.sent[0].payload, type=Order)
    assert (order.name, order.args) == ("ota-check", {}) and broker.sent[0].expiry_s > 0


def test_the_newest_bell_comes_first_and_forgets_nobody() -> None:
    broker = Broker()
    bell = Bell("t", broker)
    bell.ring([f"old-{number}" for number in range(3 * COUNT)])
    bell.turn()
    assert bell.ring(["new-1", "new-2"]) == 2 + 2 * COUNT
    while bell.turn():
        pass
    names = [message.topic.split("/")[1] for message in broker.sent]
    assert set(names[COUNT : COUNT + 2]) == {"new-1", "new-2"} and len(set(names)) == 3 * COUNT + 2
    bell.ring([str(number) for number in range(BOXES_MAX + 5)])
    bell.ring(["x"])
    assert bell.turn() == BOXES_MAX - COUNT, "bounded"


def test_a_broker_that_is_away_is_waited_for_and_not_for_ever() -> None:
    broker = Broker()
    bell = Bell("t", broker)
    bell.ring(["a", "b"])
    broker.there = False
    assert bell.turn() == 2
    broker.there = True
    assert bell.turn() == 0 and len(broker.sent) == 2
    bell.ring(["c"])
    broker.there, bell._patience = False, Deadline(0.0)
    assert bell.turn() == 0
