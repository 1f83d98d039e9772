"""What papers have published: every number of ours stands in its paper, on its method's line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hand_pose_ros.evaluation.protocols import PROTOCOLS
from hand_pose_ros.evaluation.published import PublishedTable, published_for, published_tables

PAPERS = Path(__file__).resolve().parents[2] / "shared" / "papers"
TEXTS = {
    "Ivashechkin": "denoising_diffusion_hand_pose.txt",
    "Stergioulas": "aligned_latent_space.txt",
    "Li": "diffhand.txt",
}
NO = "\N{MULTIPLICATION SIGN}"
CALLED = {
    "Ivashechkin et al. (baseline)": "Ours\t",
    "Ivashechkin et al. D": "Ours _D\t",
    "Ivashechkin et al. D*": "Ours _D *\t",
    "Ivashechkin et al. D* (temporal)": "Ours _D * (temporal)",
    "Stergioulas et al.": "Proposed",
    "DiffHand": "DiffHand(",
    "DiffHand without decoder and diffusion": f"{NO}\tX",
    "DiffHand without decoder": f"{NO}\t1",
    "DiffHand without diffusion": f"✓\t{NO}",
    "DiffHand, as in the ablation": "\\checkmark",
    # Names that the text of the paper has cut in two.
    "Keypoint Transformer": "Keypoint Tra",
    "HandOccNet": "HandOccNe",
    "MutualAttention": "MutualAttenti",
}
PLACES = {("diffhand.txt", 2): slice(0, 3), ("diffhand.txt", 3): slice(3, None)}
"""Tables 2 and 3 of that paper are printed beside each other, with three cells each."""


def lines_of(table: PublishedTable, method: str) -> list[str]:
    """Return the paper's lines that begin with the method, its half where two tables share one."""
    file = TEXTS[table.paper.split()[0]]
    if not (PAPERS / file).is_file():
        pytest.skip(f"no {file} in {PAPERS}")
    called = CALLED.get(method, method.removesuffix(" et al.").replace("Zimmermann", "Zimmerman"))
    cells = [line.split("\t") for line in (PAPERS / file).read_text().splitlines()]
    halves = ["\t".join(row[PLACES.get((file, table.table), slice(None))]) + "\t" for row in cells]
    return [half for half in halves if half.startswith(called)]


@pytest.mark.parametrize("table", published_tables(), ids=lambda t: f"{t.format}-{t.table}")
def test_every_number_stands_in_its_paper(table) -> None:
    for method, values in table.values():
        numbers = {
            float(number)
            for line in lines_of(table, method)
            for number in re.findall(r"(?<![\w.])\d+\.\d+", line)
        }
        wanted = {value for name, value in values.items() if name != "auc_20_50"}
        assert wanted - {None} <= numbers, (method, numbers)


def test_the_areas_stand_in_the_text_of_their_paper() -> None:
    path = PAPERS / TEXTS["Stergioulas"]
    if not path.is_file():
        pytest.skip(f"no {path}")
    said = re.findall(r"AUC score of (\d\.\d+)", path.read_text())
    ours = [
        values["auc_20_50"]
        for table in published_tables()
        for _, values in table.values()
        if values.get("auc_20_50") is not None
    ]
    assert ours == [float(number) for number in said] == [0.930, 0.997]


def test_tables_name_what_there_is() -> None:
    for table in published_tables():
        assert table.protocol in PROTOCOLS
        assert all(len(row) == len(table.columns) for row in table.rows.values())
        assert f"table {table.table}" in table.source


def test_tables_are_found_and_say_where_a_protocol_is_assumed() -> None:
    (table,) = published_for("dexycb", "s0_test", "wrist")
    assert dict(table.values())["DiffHand"] == {"mpjpe": 12.1}
    assert "wrist assumed, the paper does not say" in table.source
    kinds = [dict(t.group) for t in published_for("interhand", "test-H", "wrist")]
    assert kinds == [{"kind": "single"}, {"kind": "interacting"}]
    assert published_for("folder", "all", "pa") == ()
