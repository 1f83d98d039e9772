"""Our own detector for videos: hands are followed by their landmarks, and looked for now and then.

The landmark network sees each hand where it was in the image before. Where one is lost, and in
every so manieth image in which there may be more, the detector's network sees the whole image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.runtime.candidates import Candidate
from hand_pose_ros.runtime.config import DetectorConfig
from hand_pose_ros.runtime.detect import Detection, SearchRhythm
from hand_pose_ros.runtime.engine import AUTO
from hand_pose_ros.runtime.glimpse import WIDER, HandView, view_of
from hand_pose_ros.runtime.hand_networks import HandNetworks
from hand_pose_ros.runtime.mediapipe_graph import check_image
from hand_pose_ros.runtime.region import Region

MARGIN = 2.0
"""Side of the region over the box around a hand, see `Region.of_keypoints`: more than for stills,
as the hand moves on. In the real video the keypoints' mean acceleration was 4.4, 2.7, 3.0 px a
frame squared at 1.7, 2.0, 2.3."""

_SAME_PLACE = 0.25
"""Distance of the middles of regions, in their sides, below which a candidate is a known hand."""

_SAME_HAND = 0.25
"""Mean distance of keypoints, in hand sizes, below which two are one hand."""

_SPARE = 2
"""Candidates that are looked at beyond the hands that there may be."""


class OwnDetector:
    """Our own detector: for the frames of one video, in their order. Needs no mediapipe.

    Args:
        config: how many hands, and what is taken for one.
        engine: how the networks are executed.
        networks: those to use; made anew if there are none.
    """

    def __init__(
        self,
        config: DetectorConfig | None = None,
        engine: str = AUTO,
        networks: HandNetworks | None = None,
    ) -> None:
        self._config = config or DetectorConfig()
        self._networks = networks or HandNetworks(engine)
        self._rhythm = SearchRhythm(self._config.search_every)
        self._followed: list[Detection] = []

    def detect(self, image_rgb: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return the hands of the next frame, an RGB image (H, W, 3) uint8."""
        check_image(image_rgb)
        return self._next(image_rgb, self._look_again(image_rgb, self._followed))

    def detect_through(self, image_rgb: npt.NDArray[np.uint8], camera: Camera) -> list[Detection]:
        """Return the hands of the next frame, those that were followed with a `glimpse`.

        A hand that is not seen where a virtual camera looks for it is looked at once more, as
        `detect` does.
        """
        check_image(image_rgb)
        views = [_view(hand, camera).wider(WIDER) for hand in self._followed]
        seen = self._networks.look_through(image_rgb, camera, views)
        least = self._config.min_presence
        lost = [hand for hand, now in zip(self._followed, seen, strict=True) if now.score < least]
        return self._next(image_rgb, [*seen, *self._look_again(image_rgb, lost)])

    def _look_again(
        self, image_rgb: npt.NDArray[np.uint8], hands: Sequence[Detection]
    ) -> list[Detection]:
        """Return what is seen where hands were in the image before."""
        views = [(Region.of_keypoints(hand.keypoints_px, MARGIN), False) for hand in hands]
        return self._networks.look(image_rgb, views)

    def _next(
        self, image_rgb: npt.NDArray[np.uint8], seen: Sequence[Detection]
    ) -> list[Detection]:
        """Return the hands among what was seen, and others that are found where it is time to."""
        before, config = len(self._followed), self._config
        hands = distinct([hand for hand in seen if hand.score >= config.min_presence])
        searched = len(hands) < config.max_hands and (self._rhythm.is_due or len(hands) < before)
        if searched:
            hands = found_hands(self._networks, image_rgb, config, hands)
        self._rhythm.step(searched, lost=not hands or len(hands) < before)
        self._followed = hands
        return hands

    def reset(self) -> None:
        """Forget the hands that are being followed."""
        self._followed = []
        self._rhythm = SearchRhythm(self._config.search_every)


def found_hands(
    networks: HandNetworks,
    image_rgb: npt.NDArray[np.uint8],
    config: DetectorConfig,
    known: Sequence[Detection] = (),
) -> list[Detection]:
    """Return hands that are known, and behind them others that are found in an image.

    Args:
        networks: what sees the image.
        image_rgb: (H, W, 3) uint8.
        config: how many hands there may be, and what is taken for one.
        known: hands that need not be found.
    """
    candidates = _elsewhere(networks.candidates(image_rgb, config.min_detection), known)
    candidates = candidates[: config.max_hands - len(known) + _SPARE]
    rough = networks.look(image_rgb, [(candidate.region, False) for candidate in candidates])
    sure = [hand for hand in rough if hand.score >= config.min_presence]
    again = [(Region.of_keypoints(hand.keypoints_px), False) for hand in sure]
    new = networks.look(image_rgb, again)
    new = sorted((h for h in new if h.score >= config.min_presence), key=lambda h: -h.score)
    return distinct([*known, *new])[: config.max_hands]


def _view(hand: Detection, camera: Camera) -> HandView:
    """Return through what a hand would be seen best."""
    if hand.glimpse is not None:
        return hand.glimpse.found
    return view_of(hand.keypoints_px, hand.side, camera)


def distinct(hands: Sequence[Detection]) -> list[Detection]:
    """Return the hands without those that are one with an earlier one."""
    kept: list[Detection] = []
    for hand in hands:
        if all(_apart(hand, other) > _SAME_HAND for other in kept):
            kept.append(hand)
    return kept


def _apart(one: Detection, other: Detection) -> float:
    """Return the mean distance of the keypoints of two hands, in sizes of the larger."""
    apart = np.linalg.norm(one.keypoints_px - other.keypoints_px, axis=-1).mean()
    return float(apart) / max(one.size_px, other.size_px, 1.0)


def _elsewhere(candidates: Sequence[Candidate], known: Sequence[Detection]) -> list[Candidate]:
    """Return the candidates that are no known hands."""
    places = [Region.of_keypoints(hand.keypoints_px, MARGIN) for hand in known]
    return [
        candidate
        for candidate in candidates
        if all(
            math.hypot(candidate.region.x - place.x, candidate.region.y - place.y)
            > _SAME_PLACE * place.side
            for place in places
        )
    ]
