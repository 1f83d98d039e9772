"""Tables beside the papers' numbers, plots, pictures, and the page that holds them."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from evaluation_samples import StubJob, hand_joints

from hand_pose_ros.errors import UnavailableError
from hand_pose_ros.evaluation.html import Page, Picture, Section
from hand_pose_ros.evaluation.plots import finger_plot, joint_plot, pck_plot, time_plot
from hand_pose_ros.evaluation.protocols import protocols_of
from hand_pose_ros.evaluation.run import run_job
from hand_pose_ros.evaluation.scores import scores_as_dict
from hand_pose_ros.evaluation.summary import RunSummary, summarize
from hand_pose_ros.evaluation.tables import About, Table, tables_of
from hand_pose_ros.runtime.compared import SIDE_PX, compared


def summary_of(folder, format: str, sequences: bool = False) -> RunSummary:
    job = StubJob(sequences=sequences)
    return summarize(run_job(job, folder).folder.chunks(), job.names, protocols_of(format))


def titled(tables: list[Table], title: str) -> Table:
    (table,) = [table for table in tables if table.title == title]
    return table


def test_our_numbers_stand_beside_those_of_the_papers(tmp_path) -> None:
    summary = summary_of(tmp_path, "rhd")
    about = About("data", "rhd", "evaluation")
    table = titled(tables_of(summary, about), "palm-scaled")
    ours = f"{summary.estimators[0].tallies['palm-scaled'][''].mpjpe:.2f}"
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["near"][0] == ours
    assert rows["Ivashechkin et al. D* (a)"][0] == "16.79"
    assert rows["Stergioulas et al. (b)"][:3] == ("13.88", "-", "0.930")
    assert table.published == len(table.rows) - 3
    assert "(a) Ivashechkin et al. 2023" in table.note and "table 1 (palm-scaled" in table.note
    assert re.search(rf"\| near +\| +{ours} \|", table.markdown())
    assert scores_as_dict(summary, about)["published"][1]["values"]["Gu et al."]["mpjpe"] == 17.11


def test_numbers_of_kinds_of_images_stand_beside_the_same_kind(tmp_path) -> None:
    summary = summary_of(tmp_path, "interhand")
    tables = tables_of(summary, About("data", "interhand", "test-H"))
    single = titled(tables, "wrist, kind=single")
    tally = summary.estimators[0].tallies["wrist"]["kind=single"]
    assert single.rows[0][:2] == ("near", f"{tally.mpjpe:.2f}")
    assert ("Moon et al. (a)", "10.42") in [row[:2] for row in single.rows]
    # Nobody showed kind=interacting: only the papers have numbers.
    assert titled(tables, "wrist, kind=interacting").rows[0][1] == "-"
    kinds = titled(tables, "Mean error by kind of image [mm], wrist")
    assert [row[0] for row in kinds.rows] == ["kind=pair", "kind=single"]


def test_pairs_and_sequences_have_tables_where_there_are_some(tmp_path) -> None:
    summary = summary_of(tmp_path, "folder", sequences=True)
    tables = tables_of(summary, About("data", "folder", "all", rate_hz=30.0))
    near = titled(tables, "From frame to frame").rows[0]
    assert near[0] == "near" and near[-2:] == ("0", "0.00") and float(near[2]) > 0.0
    assert float(titled(tables, "Pairs of hands").rows[0][2]) > 0.0
    assert not [table for table in tables if table.title == "Surfaces"]


def test_plots_are_elements_of_a_page() -> None:
    thresholds = np.linspace(0.0, 50.0, 101)
    errors = np.linspace(3.0, 9.0, 21)
    drawn = [
        pck_plot(thresholds, {"a": thresholds / 50.0}, "pa", {"a": 0.5}),
        joint_plot({"a": errors, "b": errors + np.nan}, "joints"),
        finger_plot({"a": {"wrist": 1.0, "thumb": 2.0}, "b": {"wrist": 2.0, "thumb": 1.0}}, "f"),
        time_plot({"a": [(0, 1.0), (1, 2.0), (7, 1.0)]}, "seq"),
    ]
    for svg in drawn:
        root = ElementTree.fromstring(svg)
        assert root.tag.endswith("svg") and "viewBox" in root.attrib
        assert "width" not in root.attrib and "height" not in root.attrib
        texts = [element.text for element in root.iter() if element.tag.endswith("text")]
        assert "a" in texts or "a  0.500" in texts
    assert pck_plot(thresholds, {"a": thresholds / 50.0}, "pa", {"a": 0.5}) == drawn[0]


def test_a_page_escapes_what_it_is_given() -> None:
    table = Table("<b>", ("x",), (("<script>alert(1)</script>",),))
    page = Page("a & b", [("k", "<i>")], [Section("s", tables=[table])]).html()
    assert "<script>" not in page and "&lt;script&gt;" in page and "a &amp; b" in page
    picture = Picture(b"\xff\xd8", "cap")
    assert (
        'src="data:image/jpeg;base64,/9g="'
        in Page("t", [], [Section("s", pictures=[picture])]).html()
    )


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_a_library_that_is_missing_is_named(library, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UnavailableError, match=rf"needs {library}: pip install"):
        Page("t").html() if library == "jinja2" else time_plot({}, "t")


def test_a_picture_shows_truth_and_estimate_inside_the_image() -> None:
    joints = hand_joints(1)[0]
    pixels = np.stack((joints[:, 0], joints[:, 1]), axis=-1) * 800.0 + (320.0, 240.0)
    image = np.full((480, 640, 3), 60, np.uint8)
    wrong = joints + np.random.default_rng(0).normal(0.0, 0.02, joints.shape)
    picture = compared(image, pixels, pixels + 6.0, joints, wrong)
    assert picture.shape == (SIDE_PX, 2 * SIDE_PX, 3)
    left, right = picture[:, :SIDE_PX], picture[:, SIDE_PX:]
    for half in (left, right):
        assert (half == 255).all(-1).any()  # the truth is white
        assert (np.ptp(half.astype(int), axis=-1) > 90).any()  # the estimate has colours
    # What is shown is all image: nothing of the paper around it.
    assert (left[[4, 4, -4, -4], [4, -4, 4, -4]] == 60).all()


def test_a_picture_of_what_is_not_known_is_the_image() -> None:
    unknown = np.full((21, 2), np.nan)
    joints = hand_joints(1)[0]
    image = np.full((60, 60, 3), 60, np.uint8)
    picture = compared(image, unknown, unknown, joints * np.nan, joints)
    assert (picture[4:-4, 4 : SIDE_PX - 4] == 60).all()
    assert len(np.unique(picture[:, SIDE_PX:].reshape(-1, 3), axis=0)) == 1
