"""Images find the depth and the boxes of their moment, in whatever order these come."""

from types import SimpleNamespace as Message

from hand_pose_ros.ros.node.pairing import KEPT_IMAGES, Pairing, nearest

MS, SLOP = 1_000_000, 10_000_000


def at(ms, what="image"):
    return Message(header=Message(stamp=Message(sec=1, nanosec=round(ms * MS))), what=what)


def pairing(**needs):
    passed = []
    made = Pairing(passed.append, boxes=needs.get("boxes", False), depth=needs.get("depth", False))
    return made, passed


def test_the_nearest_within_the_slop_is_found():
    near, far = at(4), at(9)
    assert nearest([far, near], at(0), SLOP) is near
    assert nearest([at(11)], at(0), SLOP) is None
    assert nearest([], at(0), SLOP) is None


def test_images_that_need_nothing_are_passed_on_at_once():
    made, passed = pairing()
    made.add_image(at(0), SLOP)
    assert [(c.depth, c.boxes) for c in passed] == [(None, None)]


def test_an_image_waits_for_its_boxes_and_others_are_left_out():
    made, passed = pairing(boxes=True)
    images = [at(33 * i) for i in range(4)]
    for image in images:
        made.add_image(image, SLOP)
    assert passed == []
    boxes = at(33 * 2, "boxes")
    made.add_boxes(boxes, SLOP)
    (capture,) = passed
    assert capture.image is images[2]
    assert capture.boxes is boxes
    assert made.unpaired == 2
    made.add_boxes(at(33 * 1, "boxes"), SLOP)  # late: that image is gone
    assert len(passed) == 1
    made.add_boxes(at(33 * 3, "boxes"), SLOP)
    assert passed[1].image is images[3]


def test_boxes_may_come_before_their_image():
    made, passed = pairing(boxes=True)
    made.add_boxes(at(5, "boxes"), SLOP)
    assert passed == []
    made.add_image(at(0), SLOP)
    assert passed[0].boxes.what == "boxes"


def test_images_without_boxes_do_not_pile_up():
    made, passed = pairing(boxes=True)
    for index in range(KEPT_IMAGES + 7):
        made.add_image(at(10 * index), SLOP)
    assert made.unpaired == 7
    assert passed == []


def test_depth_is_waited_for_until_the_next_image():
    made, passed = pairing(depth=True)
    made.add_image(at(0), SLOP)
    assert passed == []
    made.add_depth(at(2, "depth"), SLOP)
    assert passed[0].depth.what == "depth"
    made.add_image(at(33), SLOP)
    made.add_image(at(66), SLOP)
    assert len(passed) == 2
    assert passed[1].depth is None
    made.add_depth(at(99, "depth"), SLOP)
    assert len(passed) == 2
    made.add_image(at(99), SLOP)  # its depth was there before; the one that waited goes without
    assert [c.depth is not None for c in passed] == [True, False, False, True]


def test_boxes_bring_the_depth_of_their_image_along():
    made, passed = pairing(boxes=True, depth=True)
    made.add_image(at(0), SLOP)
    made.add_depth(at(1, "depth"), SLOP)
    assert passed == []
    made.add_boxes(at(0, "boxes"), SLOP)
    assert (passed[0].depth.what, passed[0].boxes.what) == ("depth", "boxes")
