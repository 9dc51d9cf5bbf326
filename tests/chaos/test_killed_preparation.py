"""A preparation whose driver and workers are killed ends with the bytes of one left in peace."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from pipeline.shards.manifest import Manifest
from pipeline.shards.staging import staging_path

KILLS = 20
LONGEST_PEACE_SECONDS = 2.0


def write_photos(root: Path) -> None:
    """1,600 photos in two classes, links to a few files, and two that are none."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, 9, 3), dtype=np.uint8)
    for class_id in ("day", "night"):
        (root / class_id).mkdir(parents=True)
        for number in range(800):
            photo = root / class_id / f"{number:04d}.jpg"
            if number < 4:
                blobs = Image.fromarray(pixels[number + 4 * (class_id == "night")])
                blobs.resize((900, 700), Image.Resampling.BICUBIC).save(photo, quality=95)
            else:
                os.link(root / class_id / f"{number % 4:04d}.jpg", photo)
        (root / class_id / "notes.txt").write_text(f"no photo of {class_id}\n")


def start(photos: Path, out: Path) -> subprocess.Popen[str]:
    tandem = Path(sys.executable).with_name("tandem")
    arguments = [tandem, "prepare", photos, "--out", out, "--image-size", "64", "--shard-size", "50"]
    options = ["--val-fraction", "0.1", "--workers", "2", "--name", "chaos", "--json"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    return subprocess.Popen(
        [*arguments, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def workers_of(driver: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        children = psutil.Process(driver.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if is_writer(child)]


def is_writer(process: psutil.Process) -> bool:
    try:
        return "ray::_write" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def wait_for_workers(driver: subprocess.Popen[str]) -> None:
    """Returns when a worker is at a shard, or there is no driver any more."""
    while driver.poll() is None and not workers_of(driver):
        time.sleep(0.05)


def contents(dataset: Path) -> dict[str, bytes | str]:
    """The bytes of every file; the manifest without its timestamp."""
    found = {path.name: path.read_bytes() for path in dataset.iterdir() if path.name != "manifest.json"}
    return found | {"manifest.json": Manifest.load(dataset).checksum}


def whole(photos: Path, out: Path) -> dict[str, bytes | str]:
    done = start(photos, out)
    _, errors = done.communicate()
    assert done.returncode == 0, errors
    return contents(out)


# Forty starts of Ray, each of which takes its time on a busy machine.
@pytest.mark.timeout(1800)
def test_bytes_are_those_of_an_undisturbed_run_after_twenty_kills(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    write_photos(photos)
    undisturbed = whole(photos, tmp_path / "undisturbed")
    chance = random.Random(20120930)
    killed = {"driver": 0, "worker": 0}
    rounds = 0
    while sum(killed.values()) < KILLS:
        out = tmp_path / f"out-{rounds}"
        driver = start(photos, out)
        while driver.poll() is None and sum(killed.values()) < KILLS:
            victim = chance.choice(["driver", "worker"])
            if chance.random() < 0.7:
                wait_for_workers(driver)
            time.sleep(chance.uniform(0, LONGEST_PEACE_SECONDS))
            if driver.poll() is not None:
                break
            if victim == "driver" and staging_path(out).exists():
                driver.send_signal(signal.SIGKILL)
                driver.wait()
                killed["driver"] += 1
            elif workers := workers_of(driver):
                chance.choice(workers).kill()
                killed["worker"] += 1
        _, errors = driver.communicate()
        if driver.returncode == 0:
            # It came through: what it made is held against the rest, and the next kills hit another.
            assert contents(out) == undisturbed
            rounds += 1
        else:
            assert driver.returncode == -signal.SIGKILL, errors
    assert killed["driver"] >= 3, killed
    assert killed["worker"] >= 3, killed
    last = tmp_path / f"out-{rounds}"
    assert whole(photos, last) == undisturbed
    verified = [Path(sys.executable).with_name("tandem"), "inspect", last, "--verify"]
    subprocess.run(verified, check=True, capture_output=True)
    assert not staging_path(last).exists()
