"""A run's numbers as plain data for JSON."""

from __future__ import annotations

from typing import Any

from hand_pose_ros.evaluation.published import published_for
from hand_pose_ros.evaluation.summary import EVERYTHING, EstimatorSummary, RunSummary
from hand_pose_ros.evaluation.tables import About
from hand_pose_ros.evaluation.tally import CURVE, Tally
from hand_pose_ros.hand.skeleton import KEYPOINTS


def scores_as_dict(summary: RunSummary, about: About) -> dict[str, Any]:
    """Return every number with its protocol, and the papers' beside; None where there is none."""
    return {
        "dataset": about.dataset,
        "format": about.format,
        "split": about.split,
        "told": about.how,
        "images": summary.images,
        "protocols": {
            protocol.name: {"text": protocol.text, "source": protocol.source}
            for protocol in summary.protocols
        },
        "pck_thresholds_mm": CURVE.thresholds_mm.tolist(),
        "estimators": {each.name: _estimator(each, about) for each in summary.estimators},
        "published": [
            {
                "source": table.source,
                "group": dict(table.group),
                "protocol": protocol.name,
                "values": dict(table.values()),
            }
            for protocol in summary.protocols
            for table in published_for(about.format, about.split, protocol.name)
        ],
    }


def _estimator(each: EstimatorSummary, about: About) -> dict[str, Any]:
    accelerations, steps = each.steps.acceleration
    errors, pairs = each.mrrpe
    return {
        "hands": each.hands,
        "found": each.found,
        "found_by_all": _tally(each.found_by_all),
        "extra": each.extra,
        "right_side": each.right_side / each.sided if each.sided else None,
        "protocols": {
            name: {
                **_tally(tallies[EVERYTHING]),
                "median_mm": _known(tallies[EVERYTHING].median),
                "per_joint_mm": _named(KEYPOINTS, tallies[EVERYTHING].per_joint.tolist()),
                "per_finger_mm": {k: _known(v) for k, v in tallies[EVERYTHING].per_finger.items()},
                "pck": [_known(share) for share in tallies[EVERYTHING].curve.tolist()],
                "groups": {label: _tally(t) for label, t in tallies.items() if label},
            }
            for name, tallies in each.tallies.items()
        },
        "surface": {
            name: {field: _known(value) for field, value in score._asdict().items()}
            for name, score in each.surface().items()
        },
        "mrrpe_mm": errors / pairs if pairs else None,
        "acceleration_error_mm_per_frame2": accelerations / steps if steps else None,
        "side_flips": each.steps.side_flips if each.steps.sided else None,
        "side_flips_per_min": _known(each.steps.flips_per_minute(about.rate_hz))
        if about.rate_hz is not None
        else None,
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "hands": tally.hands,
        "mpjpe_mm": _known(tally.mpjpe),
        "auc_20_50": _known(tally.auc_20_50),
        "auc_0_50": _known(tally.auc_0_50),
    }


def _named(names: tuple[str, ...], values: list[float]) -> dict[str, float | None]:
    return {name: _known(value) for name, value in zip(names, values, strict=True)}


def _known(value: float) -> float | None:
    return None if value != value else value
