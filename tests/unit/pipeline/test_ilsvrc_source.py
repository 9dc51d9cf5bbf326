"""ImageNet's tars as they are downloaded, small and made by code; and the same photos in its other forms."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile

import numpy as np
import pytest
from scipy.io import savemat

from pipeline.errors import BadSourceError
from pipeline.photos.local_files import LocalFiles
from pipeline.photos.sources.folder import FolderSource
from pipeline.photos.sources.ilsvrc import TRAIN_TAR, VAL_TAR, IlsvrcSource
from pipeline.photos.sources.kaggle import DATA_FOLDER, KaggleSource
from pipeline.photos.sources.webdataset import WebDatasetSource

CLASSES = {"n01440764": "tench, Tinca tinca", "n01443537": "goldfish", "n02084071": "dog"}
TRAIN_IDS = list(CLASSES)
# The devkit's own numbers are not in the order of the ids.
DEVKIT_NUMBERS = {"n01440764": 3, "n01443537": 1, "n02084071": 2}
VAL_CLASSES = ["n02084071", "n01440764", "n01440764", "n01443537"]
VAL_NAMES = [f"ILSVRC2012_val_{number:08d}" for number in range(1, 5)]
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"


def tar_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def meta_mat(**changes):
    """As the devkit has it: the photographed classes by number, and after them what they are kinds of."""
    rows = [(number, class_id, CLASSES[class_id], 0) for class_id, number in DEVKIT_NUMBERS.items()]
    rows = [*sorted(rows), (1001, "n00001740", "entity", 3)]
    fields = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    synsets = np.empty((len(rows), 1), dtype=fields)
    for index, row in enumerate(rows):
        synsets[index, 0] = row
    buffer = io.BytesIO()
    savemat(buffer, {"synsets": synsets, **changes})
    return buffer.getvalue()


def devkit(labels=VAL_CLASSES, folder="ILSVRC2012_devkit_t12/data"):
    numbers = "".join(f"{DEVKIT_NUMBERS.get(class_id, 1001)}\n" for class_id in labels)
    files = {
        "ILSVRC2012_devkit_t12/readme.txt": b"read me",
        f"{folder}/meta.mat": meta_mat(),
        f"{folder}/ILSVRC2012_validation_ground_truth.txt": numbers.encode(),
    }
    return gzip.compress(tar_of(files))


class Ilsvrc:
    """Real photos under their names in the challenge, in any of its forms."""

    def __init__(self, photos, root):
        self.root = root
        names = [(class_id, f"{class_id}_{number}") for class_id in TRAIN_IDS for number in (10026, 9, 77)]
        encoded = [photos.encode(photos.pixels(seed, 40, 50)) for seed in range(len(names) + len(VAL_NAMES))]
        self.train = dict(zip(names, encoded, strict=False))
        self.val = dict(zip(VAL_NAMES, encoded[len(names) :], strict=True))

    def write(self, path, content):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content)

    def class_tar(self, class_id):
        return tar_of({f"{name}.JPEG": data for (of, name), data in self.train.items() if of == class_id})

    def write_train_tar(self):
        # In no order, as the classes of the real one are.
        tars = {f"{class_id}.tar": self.class_tar(class_id) for class_id in reversed(TRAIN_IDS)}
        self.write(TRAIN_TAR, tar_of(tars))

    def write_tars(self):
        self.write_train_tar()
        self.write(VAL_TAR, tar_of({f"{name}.JPEG": self.val[name] for name in reversed(VAL_NAMES)}))
        return IlsvrcSource(LocalFiles(self.root))

    def write_kaggle(self):
        for (class_id, name), data in self.train.items():
            self.write(f"{DATA_FOLDER}/train/{class_id}/{name}.JPEG", data)
        rows = ["ImageId,PredictionString"]
        for name, class_id in zip(VAL_NAMES, VAL_CLASSES, strict=True):
            self.write(f"{DATA_FOLDER}/val/{name}.JPEG", self.val[name])
            rows.append(f"{name},{class_id} 1 2 30 40 ")
        self.write("LOC_val_solution.csv", "\n".join(rows).encode())
        return KaggleSource(LocalFiles(self.root))

    def write_folders(self):
        for split, class_id, name, data in self.by_split():
            self.write(f"{split}/{class_id}/{name}.JPEG", data)
        return FolderSource(LocalFiles(self.root))

    def write_webdataset(self):
        shards = {}
        for number, (split, class_id, name, data) in enumerate(self.by_split()):
            shard = shards.setdefault(f"imagenet1k-{split}-{number % 2:04d}.tar", {})
            shard |= {f"{name}.cls": class_id.encode(), f"{name}.jpg": data}
        for path, files in shards.items():
            self.write(path, tar_of(files))
        return WebDatasetSource(LocalFiles(self.root))

    def by_split(self):
        yield from (("train", class_id, name, data) for (class_id, name), data in self.train.items())
        for name, class_id in zip(VAL_NAMES, VAL_CLASSES, strict=True):
            yield "val", class_id, name, self.val[name]


@pytest.fixture
def ilsvrc(photos, tmp_path):
    return Ilsvrc(photos, tmp_path)


def order(source):
    return {
        split: [(photo.class_id, photo.path.rpartition("/")[2].split(".")[0]) for photo in listed]
        for split, listed in source.listings().items()
    }


def test_photos_are_listed_under_their_classes_and_read_as_tarfile_reads_them(ilsvrc):
    source = ilsvrc.write_tars()
    ilsvrc.write(DEVKIT, devkit())
    listings = source.listings()
    expected = [
        *((f"{TRAIN_TAR}/{of}.tar/{name}.JPEG", of, data) for (of, name), data in ilsvrc.train.items()),
        *(
            (f"{VAL_TAR}/{name}.JPEG", of, ilsvrc.val[name])
            for name, of in zip(VAL_NAMES, VAL_CLASSES, strict=True)
        ),
    ]
    found = [
        (photo.path, photo.class_id, source.read(photo))
        for split in ("train", "val")
        for photo in listings[split]
    ]
    assert sorted(found) == sorted(expected)
    with tarfile.open(ilsvrc.root / VAL_TAR) as tar:
        for photo in listings["val"]:
            member = tar.extractfile(photo.path.removeprefix(f"{VAL_TAR}/"))
            assert source.read(photo) == member.read()


def test_nothing_is_written_beside_the_tars(ilsvrc):
    source = ilsvrc.write_tars()
    ilsvrc.write(DEVKIT, devkit())
    for photo in source.listings()["train"]:
        source.read(photo)
    assert {path.name for path in ilsvrc.root.iterdir()} == {TRAIN_TAR, VAL_TAR, DEVKIT}


def test_the_same_photos_have_the_same_order_in_every_form(photos, tmp_path):
    tars = Ilsvrc(photos, tmp_path / "tars")
    source = tars.write_tars()
    tars.write(DEVKIT, devkit())
    expected = {
        "train": sorted(tars.train),
        "val": sorted(zip(VAL_CLASSES, VAL_NAMES, strict=True)),
    }
    assert order(source) == expected
    for form in ("folders", "kaggle", "webdataset"):
        other = getattr(Ilsvrc(photos, tmp_path / form), f"write_{form}")()
        assert order(other) == expected
        for split, listed in source.listings().items():
            pairs = zip(listed, other.listings()[split], strict=True)
            assert all(source.read(here) == other.read(there) for here, there in pairs)


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("imagenet_2012_validation_synset_labels.txt", VAL_CLASSES),
        ("synset_labels.txt", VAL_CLASSES),
        (
            "val.txt",
            # Every photo is named, so that the lines' order does not matter.
            [
                f"{name}.JPEG {TRAIN_IDS.index(of)}"
                for name, of in reversed(list(zip(VAL_NAMES, VAL_CLASSES, strict=True)))
            ],
        ),
    ],
)
def test_labels_come_from_a_list_where_there_is_no_devkit(ilsvrc, path, lines):
    source = ilsvrc.write_tars()
    ilsvrc.write(path, "".join(f"{line}\n" for line in lines).encode())
    assert order(source)["val"] == sorted(zip(VAL_CLASSES, VAL_NAMES, strict=True))


def test_devkit_goes_before_the_lists(ilsvrc):
    source = ilsvrc.write_tars()
    ilsvrc.write(DEVKIT, devkit())
    ilsvrc.write("synset_labels.txt", b"n02084071\n" * 4)
    assert order(source)["val"] == sorted(zip(VAL_CLASSES, VAL_NAMES, strict=True))


def test_without_validation_photos_there_is_only_train(ilsvrc):
    ilsvrc.write_train_tar()
    assert order(IlsvrcSource(LocalFiles(ilsvrc.root))) == {"train": sorted(ilsvrc.train)}


def test_names_of_classes_come_from_the_devkit_or_a_list(ilsvrc):
    source = ilsvrc.write_tars()
    assert source.class_names() == {}
    lines = [f"{class_id} {name} of the list\n" for class_id, name in CLASSES.items()]
    ilsvrc.write("synset_words.txt", "".join(lines).encode())
    assert source.class_names() == {class_id: f"{name} of the list" for class_id, name in CLASSES.items()}
    ilsvrc.write(DEVKIT, devkit())
    assert source.class_names() == CLASSES


def test_validation_photos_without_labels_are_refused_saying_what_to_add(ilsvrc):
    source = ilsvrc.write_tars()
    with pytest.raises(BadSourceError, match=r"put ILSVRC2012_devkit_t12\.tar\.gz, .* or val\.txt there"):
        source.listings()


@pytest.mark.parametrize(
    ("path", "content", "problem"),
    [
        (DEVKIT, devkit(VAL_CLASSES[:3]), "labels 3 validation photos, and there are 4"),
        (DEVKIT, devkit([*VAL_CLASSES[:3], "entity"]), "not ILSVRC2012's devkit, or damaged"),
        (DEVKIT, devkit(folder="elsewhere"), "no data/meta.mat"),
        (DEVKIT, devkit()[:-300], "not ILSVRC2012's devkit, or damaged"),
        (
            DEVKIT,
            gzip.compress(tar_of({"x/data/meta.mat": b"MATLAB?"})),
            "not ILSVRC2012's devkit, or damaged",
        ),
        (DEVKIT, b"", "not ILSVRC2012's devkit, or damaged"),
        ("synset_labels.txt", b"n01440764\n" * 5, "labels 5 validation photos, and there are 4"),
        ("synset_labels.txt", b"", "labels 0 validation photos, and there are 4"),
        ("synset_labels.txt", b"n01440764\n\nn01440764\nn01440764", "cannot be printed"),
        ("synset_labels.txt", b"n01440764\n\xff\nn01440764\nn01440764", "is not text in UTF-8"),
        (
            "val.txt",
            b"ILSVRC2012_val_00000001.JPEG 0\n" * 4,
            "has no line for 'ILSVRC2012_val_00000002.JPEG'",
        ),
        ("val.txt", b"ILSVRC2012_val_00000001.JPEG 3\n" * 4, "one of 3 classes, counted from 0"),
        ("val.txt", b"ILSVRC2012_val_00000001.JPEG -1\n" * 4, "one of 3 classes, counted from 0"),
        ("val.txt", b"ILSVRC2012_val_00000001.JPEG\n" * 4, "one of 3 classes, counted from 0"),
    ],
)
def test_labels_that_are_not_of_these_photos_are_refused(ilsvrc, path, content, problem):
    source = ilsvrc.write_tars()
    ilsvrc.write(path, content)
    with pytest.raises(BadSourceError, match=problem) as caught:
        source.listings()
    assert "\n" not in str(caught.value)
    assert path in str(caught.value)


@pytest.mark.parametrize("content", [b"n01440764", b"n01440764 \x07\n", b"\xff"])
def test_names_that_are_none_are_refused(ilsvrc, content):
    ilsvrc.write("synset_words.txt", content)
    with pytest.raises(BadSourceError, match=r"synset_words\.txt"):
        IlsvrcSource(LocalFiles(ilsvrc.root)).class_names()


def test_train_tar_cut_off_anywhere_is_refused_naming_it(ilsvrc):
    ilsvrc.write_train_tar()
    whole = (ilsvrc.root / TRAIN_TAR).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        infos = tar.getmembers()
    starts = [info.offset for info in infos]
    last = infos[-1].offset_data + infos[-1].size
    cuts = [
        0,
        300,
        *(start + shift for start in starts for shift in (0, 100, 512, 512 + 1000)),
        last,
        last + 400,
    ]
    for cut in cuts:
        ilsvrc.write(TRAIN_TAR, whole[:cut])
        with pytest.raises(BadSourceError, match=rf"{TRAIN_TAR} is cut off after \d members") as caught:
            IlsvrcSource(LocalFiles(ilsvrc.root)).listings()
        assert "\n" not in str(caught.value)


def test_class_tar_that_is_cut_off_inside_the_whole_is_refused_naming_both(ilsvrc):
    whole = ilsvrc.class_tar(TRAIN_IDS[1])
    for cut in (0, 200, 512, 700):
        tars = {f"{TRAIN_IDS[0]}.tar": ilsvrc.class_tar(TRAIN_IDS[0]), f"{TRAIN_IDS[1]}.tar": whole[:cut]}
        ilsvrc.write(TRAIN_TAR, tar_of(tars))
        with pytest.raises(
            BadSourceError, match=rf"{TRAIN_TAR}/{TRAIN_IDS[1]}.tar is cut off after 0 members"
        ):
            IlsvrcSource(LocalFiles(ilsvrc.root)).listings()


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "holds no tars of classes"),
        ({"n1.tar": tar_of({})}, r"n1\.tar holds no photos"),
        (
            {"n1.tar": tar_of({"1.JPEG": b"1"}), "n1/1.JPEG": b"1"},
            "holds 'n1/1.JPEG', which is no class's tar",
        ),
        ({"n1\n.tar": tar_of({"1.JPEG": b"1"})}, "which is no class's tar"),
        ({"n1.tar": gzip.compress(tar_of({"1.JPEG": b"1"}))}, r"n1\.tar is compressed"),
    ],
)
def test_train_tar_that_is_not_in_its_form_is_refused(ilsvrc, files, problem):
    ilsvrc.write(TRAIN_TAR, tar_of(files))
    with pytest.raises(BadSourceError, match=problem) as caught:
        IlsvrcSource(LocalFiles(ilsvrc.root)).listings()
    assert "\n" not in str(caught.value)


def test_missing_train_tar_and_empty_val_tar_are_refused(ilsvrc):
    ilsvrc.root.joinpath(VAL_TAR).write_bytes(tar_of({}))
    with pytest.raises(BadSourceError, match=f"{TRAIN_TAR} cannot be read"):
        IlsvrcSource(LocalFiles(ilsvrc.root)).listings()
    ilsvrc.write_train_tar()
    with pytest.raises(BadSourceError, match=f"{VAL_TAR} holds no photos"):
        IlsvrcSource(LocalFiles(ilsvrc.root)).listings()


def test_source_crosses_into_another_process(ilsvrc):
    ilsvrc.write_train_tar()
    source = IlsvrcSource(LocalFiles(ilsvrc.root))
    there = pickle.loads(pickle.dumps(source))
    assert there == source
    assert there.type == "ilsvrc"
    photo = source.listings()["train"][0]
    assert there.read(photo) == ilsvrc.train["n01440764", "n01440764_10026"]
