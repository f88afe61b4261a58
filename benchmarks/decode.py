"""
How fast does a line become an event, beside a bare JSON parse of the same lines?

Best of five passes over the same lines in memory, garbage collection off, in one process.

    python benchmarks/decode.py --events 100000
"""

import argparse
import gc
import json
import time
from collections.abc import Callable

from strandline import decode
from strandline.forum.world import world


def best(work: Callable[[], object], passes: int = 5) -> float:
    """Return the seconds of the fastest pass."""
    seconds = []
    for _ in range(passes):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    events = parser.parse_args().events
    lines = list(world(7, events))
    gc.freeze()
    gc.disable()
    bare = best(lambda: [json.loads(line) for line in lines])
    print(f"{'':24}{'lines/s':>12}{'of bare':>10}")
    for name, work in {"json.loads (the limit)": json.loads, "strandline.decode": decode}.items():
        seconds = bare if work is json.loads else best(lambda: [decode(line) for line in lines])
        print(f"{name:24}{events / seconds:12,.0f}{bare / seconds:10.2f}")


if __name__ == "__main__":
    main()
