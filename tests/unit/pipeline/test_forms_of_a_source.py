"""The same photos in every form a source may have become the same shards, byte for byte."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.io import savemat

from pipeline.config import PrepareConfig, SourceConfig
from pipeline.shards.manifest import Manifest

CLASS_IDS = ("n01440764", "n01443537", "n02084071")
NAMES = {"n01440764": "tench, Tinca tinca", "n01443537": "goldfish", "n02084071": "dog"}
CONFIG = PrepareConfig(image_size=32, shard_size=7, seed=3, workers=2)


@pytest.fixture(scope="module")
def train(photos):
    """Photos to train with, by class and file name: sizes and name lengths vary, as ImageNet's do."""
    return {
        class_id: {
            f"{class_id}_{number}.JPEG": photos.encode(photos.pixels(100 * place + number, 40 + number, 60))
            for number in (1, 2, 10, 11, 20, 100)
        }
        for place, class_id in enumerate(CLASS_IDS)
    }


@pytest.fixture(scope="module")
def val(photos):
    """Photos to validate with, their classes all mixed up."""
    return {
        f"ILSVRC2012_val_{number:08d}.JPEG": (
            CLASS_IDS[number * 2 % 3],
            photos.encode(photos.pixels(number, 50, 50)),
        )
        for number in range(1, 10)
    }


def add(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def tar_of(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members:
            add(tar, name, data)
    return buffer.getvalue()


def flat(train, val):
    """Every photo of both splits as (split, class id, file name, bytes), in no helpful order."""
    listed = [
        ("train", class_id, name, data) for class_id, found in train.items() for name, data in found.items()
    ]
    listed += [("val", class_id, name, data) for name, (class_id, data) in val.items()]
    return [listed[place] for place in np.random.default_rng(5).permutation(len(listed))]


def as_folder(root, train, val):
    for split, class_id, name, data in flat(train, val):
        (root / split / class_id).mkdir(parents=True, exist_ok=True)
        (root / split / class_id / name).write_bytes(data)
    (root / "classes.json").write_text(json.dumps(NAMES))
    return {"source": root}


def as_ilsvrc(root, train, val):
    class_tars = [(f"{class_id}.tar", tar_of(found.items())) for class_id, found in reversed(train.items())]
    (root / "ILSVRC2012_img_train.tar").write_bytes(tar_of(class_tars))
    (root / "ILSVRC2012_img_val.tar").write_bytes(tar_of((name, data) for name, (_, data) in val.items()))
    numbers = {class_id: number for number, class_id in enumerate(reversed(CLASS_IDS), start=1)}
    synsets = np.array(
        [(number, class_id, NAMES[class_id], 0) for class_id, number in numbers.items()],
        dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")],
    )
    meta = io.BytesIO()
    savemat(meta, {"synsets": synsets})
    truth = "".join(f"{numbers[class_id]}\n" for _, (class_id, _) in sorted(val.items()))
    devkit = root / "ILSVRC2012_devkit_t12.tar.gz"
    with tarfile.open(devkit, "w:gz") as tar:
        add(tar, "ILSVRC2012_devkit_t12/data/meta.mat", meta.getvalue())
        add(tar, "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", truth.encode())
    return {"source": root}


def as_kaggle(root, train, val):
    data_folder = root / "ILSVRC" / "Data" / "CLS-LOC"
    (data_folder / "val").mkdir(parents=True)
    for split, class_id, name, data in flat(train, val):
        folder = data_folder / split / (class_id if split == "train" else "")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    with (root / "LOC_val_solution.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["ImageId", "PredictionString"])
        for name, (class_id, _) in val.items():
            writer.writerow([name.removesuffix(".JPEG"), f"{class_id} 1 2 30 40 "])
    mapping = "".join(f"{class_id} {name}\n" for class_id, name in NAMES.items())
    (root / "LOC_synset_mapping.txt").write_text(mapping)
    return {"source": root}


def as_csv(root, train, val):
    files = {split: (root / f"{split}.csv").open("w") for split in ("train", "val")}
    writers = {split: csv.writer(file) for split, file in files.items()}
    for writer in writers.values():
        writer.writerow(["label", "path"])
    for split, class_id, name, data in flat(train, val):
        path = root / "photos" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        writers[split].writerow([class_id, f"photos/{name}"])
    for file in files.values():
        file.close()
    return {"source": root / "train.csv", "val": root / "val.csv"}


def as_jsonl(root, train, val):
    as_csv(root, train, val)
    for split in ("train", "val"):
        with (root / f"{split}.csv").open() as table, (root / f"{split}.jsonl").open("w") as lines:
            lines.writelines(f"{json.dumps(row)}\n" for row in csv.DictReader(table))
    return {"source": root / "train.jsonl", "val": root / "val.jsonl"}


def as_webdataset(root, train, val):
    shards = {}
    for place, (split, class_id, name, data) in enumerate(flat(train, val)):
        stem = name.removesuffix(".JPEG")
        shards.setdefault(f"imagenet-{split}-{place % 2:04d}.tar", []).extend(
            [(f"{stem}.cls", class_id.encode()), (f"{stem}.jpg", data)]
        )
    for name, members in shards.items():
        (root / name).write_bytes(tar_of(members))
    return {"source": root}


def as_parquet(root, train, val):
    """Labels as numbers with their names in the metadata, as hubs write them."""
    rows = {"train": [], "validation": []}
    for split, class_id, name, data in flat(train, val):
        row = {"image": {"bytes": data, "path": name}, "label": CLASS_IDS.index(class_id)}
        rows[{"train": "train", "val": "validation"}[split]].append(row)
    features = {"label": {"names": list(NAMES.values()), "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    for split, listed in rows.items():
        for part in range(2):
            table = pa.Table.from_pylist(listed[part::2]).replace_schema_metadata(metadata)
            pq.write_table(table, root / f"{split}-{part:05d}-of-00002.parquet", row_group_size=5)
    return {"source": root}


FORMS = {form.__name__.removeprefix("as_"): form for form in (
    as_folder, as_ilsvrc, as_kaggle, as_csv, as_jsonl, as_webdataset, as_parquet
)}  # fmt: skip


def prepared_from(form, train, val, run_prepare, tmp_path_factory):
    root = tmp_path_factory.mktemp(form)
    places = FORMS[form](root, train, val)
    own_val = {"val": SourceConfig(path=str(places["val"]))} if "val" in places else {}
    out = root / "out"
    run_prepare(places["source"], out, CONFIG, **own_val)
    return out


@pytest.fixture(scope="module")
def from_folder(train, val, run_prepare, tmp_path_factory):
    return prepared_from("folder", train, val, run_prepare, tmp_path_factory)


@pytest.mark.parametrize("form", [form for form in FORMS if form != "folder"])
def test_shards_and_statistics_are_those_made_from_folders(
    form, from_folder, train, val, run_prepare, tmp_path_factory
):
    out = prepared_from(form, train, val, run_prepare, tmp_path_factory)
    expected = Manifest.load(from_folder)
    found = Manifest.load(out)
    assert found.splits == expected.splits
    shards = sorted(path.name for path in from_folder.glob("*.beton"))
    assert len(shards) == 3 + 2
    for name in [*shards, "statistics.npz", "quarantine.jsonl"]:
        assert (out / name).read_bytes() == (from_folder / name).read_bytes(), name
    if form in ("ilsvrc", "kaggle", "parquet"):
        assert [each.name for each in found.classes] == list(NAMES.values())
    if form != "parquet":
        assert [each.id for each in found.classes] == list(CLASS_IDS)


def test_moving_the_source_changes_nothing_but_its_location(from_folder, run_prepare, tmp_path):
    source = tmp_path / "elsewhere"
    shutil.copytree(from_folder.parent, source, ignore=shutil.ignore_patterns("out"))
    os.utime(source / "train" / CLASS_IDS[0] / f"{CLASS_IDS[0]}_1.JPEG", (1, 1))
    run_prepare(source, tmp_path / "out", CONFIG)
    before, after = Manifest.load(from_folder), Manifest.load(tmp_path / "out")
    assert after.source.fingerprint == before.source.fingerprint
    assert after.splits == before.splits
