"""How long a loader takes to open a training split, and the memory it needs: `opening.py LOADER PATH`.

LOADER is tandem, PATH then a dataset; or ffcv, and PATH one .beton. Imports are not counted.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from turns import BATCH_SIZE, WORKERS


def main(name: str, path: Path) -> None:
    if name == "tandem":
        from pipeline.batches.loader import ShardLoader

        def opened():
            return ShardLoader(path, "train", batch_size=BATCH_SIZE, num_threads=WORKERS)
    else:
        from ffcv.loader import Loader, OrderOption

        def opened():
            return Loader(str(path), BATCH_SIZE, num_workers=WORKERS, os_cache=True, order=OrderOption.RANDOM)

    forget_peak()
    before, began = memory("VmRSS"), time.perf_counter()
    loader = opened()
    seconds, growth = time.perf_counter() - began, memory("VmHWM") - before
    print(json.dumps({"seconds": seconds, "bytes": growth, "samples": len(loader) * BATCH_SIZE}))


def memory(which: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(which))


def forget_peak() -> None:
    """Lets the highest memory so far, which imports may have reached, be what is held now."""
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
