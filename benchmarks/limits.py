"""What this machine can do beside what the networks ask for: products a second, bytes a second.

One thread, as the engines run. The time that a network cannot go below is the longer of its
arithmetic at the measured rate and its weights at the measured bandwidth.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from tables import table
from torch.utils.flop_counter import FlopCounterMode

from hand_pose_ros.cli.progress import use_threads
from hand_pose_ros.runtime.engine.artefacts import example_of
from hand_pose_ros.runtime.lift import whole_network
from hand_pose_ros.runtime.lift_network import FindNetwork, PoolNetwork
from hand_pose_ros.runtime.lift_program import SamplerNetwork, SeenNetwork
from hand_pose_ros.runtime.weights import load_hand_networks

SIZE, BYTES = 1024, 256 * 2**20


def best(call: Callable[[], object], times: int = 15) -> float:
    """Return the shortest processor time of some calls [s]."""
    spent = []
    for _ in range(times):
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return min(spent)


def main() -> int:
    """Print two tables."""
    use_threads()
    torch.set_grad_enabled(False)
    one, other = torch.rand(SIZE, SIZE), torch.rand(SIZE, SIZE)
    gflops = 2.0 * SIZE**3 / best(lambda: one @ other) / 1e9
    source = np.ones(BYTES // 8)
    gbytes = BYTES / best(lambda: source.sum()) / 1e9
    print(table([{"float32 [GFLOP/s]": gflops, "read from memory [GB/s]": gbytes}]))
    whole = whole_network("image")
    network = whole.network
    patch, half_width, R, _ = example_of(whole, 1)
    pool = PoolNetwork(network.encoder.look)
    (pooled,) = pool(patch)
    condition = SeenNetwork(network)
    vector, _ = condition(pooled, half_width, R)
    detector = FindNetwork(load_hand_networks()[0])
    rows = []
    for name, module, inputs in (
        ("image network", pool, (patch,)),
        ("condition", condition, (pooled, half_width, R)),
        ("sampler, IK and FK", SamplerNetwork(network), (vector, R)),
        ("detector", detector, (torch.zeros((1, 192, 192, 3), dtype=torch.uint8),)),
    ):
        with FlopCounterMode(display=False) as counter:
            module.eval()(*inputs)
        used = used_weights(name, module)
        flops, size = counter.get_total_flops(), sum(p.numel() for p in used) * 4
        arithmetic, reading = flops / gflops / 1e6, size / gbytes / 1e6
        rows.append(
            {
                "part": name,
                "MFLOP": flops / 1e6,
                "weights [MB]": size / 1e6,
                "arithmetic [ms]": arithmetic,
                "reading [ms]": reading,
                "floor in float32 [ms]": max(arithmetic, reading),
            }
        )
    print(table(rows))
    return 0


def used_weights(name: str, module: torch.nn.Module) -> list[torch.nn.Parameter]:
    """Return the weights that a part reads: it may hold others, of the parts before it."""
    outside = {
        "condition": ("network.encoder.look.trunk", "network.lifter"),
        "sampler, IK and FK": ("network.encoder", "network.lifter.baseline"),
    }
    left_out = outside.get(name, ())
    return [p for path, p in module.named_parameters() if not path.startswith(left_out)]


if __name__ == "__main__":
    raise SystemExit(main())
