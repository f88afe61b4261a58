"""
How fast does the fold go in memory, decoding apart, beside a bare JSON parse of the same lines?

One process, one core, garbage collection as `strandline replay` sets it; every view of the forum is kept. The median of
`--runs` folds into a new store each.

    python benchmarks/memory_fold.py --events 200000
"""

import argparse
import gc
import json
import statistics
import time

from strandline import Ingest, MemoryStore, decode, layout_of, run
from strandline.forum import SCHEMA
from strandline.forum.world import world
from strandline.ingest import BATCH


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    told = parser.parse_args()
    lines = list(world(7, told.events))
    start = time.perf_counter()
    for line in lines:
        json.loads(line)
    bare = time.perf_counter() - start
    decoded = [decode(line) for line in lines]
    gc.freeze()
    gc.disable()
    seconds = []
    for _ in range(told.runs):
        ingest = Ingest(MemoryStore(layout_of(SCHEMA)), SCHEMA)
        start = time.perf_counter()
        for at in range(0, len(decoded), BATCH):
            run(ingest.fold(decoded[at : at + BATCH]))
        run(ingest.finish())
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    print(f"{'':24}{'events/s':>12}{'of bare':>10}")
    print(f"{'json.loads (the limit)':24}{told.events / bare:12,.0f}{1:10.2f}")
    print(f"{'fold in memory':24}{told.events / median:12,.0f}{bare / median:10.2f}")


if __name__ == "__main__":
    main()
