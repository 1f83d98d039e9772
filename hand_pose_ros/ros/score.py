"""An estimator's bag scored: what it answered, how old its answers were, how far off they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hand_pose_ros.errors import InputError
from hand_pose_ros.ros.bag import BagReader
from hand_pose_ros.ros.messages import MESSAGES
from hand_pose_ros.ros.truth import TRUTH_TOPIC, TruthByStamp, TruthScore, hands_in


@dataclass(frozen=True)
class BagScore:
    """What a bag of estimated hands amounts to.

    Attributes:
        topic: where the hands were read.
        frames: images that were answered, an answer without hands included.
        frames_with_hand: those in which a hand was seen.
        age_ms: "p50" and "p95" of the time from an image's stamp until its hands were recorded.
        images: images that the truth speaks of; None without a truth.
        answered: how many of those were answered; None without a truth.
        truth: see `TruthScore.as_dict`; None where no answered image has a true hand.
    """

    topic: str
    frames: int
    frames_with_hand: int
    age_ms: dict[str, float]
    images: int | None
    answered: int | None
    truth: dict[str, Any] | None


def score_bag(
    path: str | Path, truth_path: str | Path | None = None, topic: str | None = None
) -> BagScore:
    """Score the estimated hands of a bag.

    Args:
        path: the bag with the estimates.
        truth_path: a bag with the true hands of the same images, found by their stamps: on
            `TRUTH_TOPIC`, or on its only HandPoseArray topic, so that two estimators can be
            compared, too.
        topic: which estimates; needed where the bag has those of several estimators.

    Raises:
        InputError: a bag cannot be read, or has no such topic.
    """
    truth: TruthByStamp = {}
    if truth_path is not None:
        with BagReader(truth_path) as reader:
            named = TRUTH_TOPIC if TRUTH_TOPIC in reader.topics else None
            true_topic = choose_hands_topic(reader, named)
            truth = {stamp_ns: hands for _, stamp_ns, hands in hands_in(reader, true_topic)}
    errors = TruthScore(truth)
    ages_ms: list[float] = []
    stamps: set[int] = set()
    with_hand = 0
    with BagReader(path) as reader:
        topic = choose_hands_topic(reader, topic)
        for raw, stamp_ns, hands in hands_in(reader, topic):
            errors.add(stamp_ns, hands)
            stamps.add(stamp_ns)
            ages_ms.append((raw.stamp_ns - stamp_ns) * 1e-6)
            with_hand += bool(hands)
    known = truth_path is not None
    return BagScore(
        topic=topic,
        frames=len(ages_ms),
        frames_with_hand=with_hand,
        age_ms={name: float(np.percentile(ages_ms, q)) for name, q in (("p50", 50), ("p95", 95))},
        images=len(truth) if known else None,
        answered=len(stamps & set(truth)) if known else None,
        truth=errors.as_dict(),
    )


def choose_hands_topic(reader: BagReader, name: str | None) -> str:
    """Return the HandPoseArray topic of a name; without one the only one that is no truth.

    Raises:
        InputError: there is none, it has no messages, or there are several and none is named.
    """
    topics = {topic.name: topic.count for topic in reader.of_type(MESSAGES["HandPoseArray"])}
    if name is None:
        chosen = [other for other in topics if other != TRUTH_TOPIC and topics[other]]
        if len(chosen) > 1:
            raise InputError(
                f"{reader.path} has {len(chosen)} topics with hands; name one of: "
                f"{', '.join(chosen)}"
            )
        name = chosen[0] if chosen else None
    if not topics.get(name or ""):
        has = f"it has {', '.join(topics)}" if topics else "it has no HandPoseArray at all"
        raise InputError(f"no hands on {name or 'any topic'} in {reader.path}; {has}")
    return str(name)
