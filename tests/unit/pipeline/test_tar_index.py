"""Where the files of a tar lie, against Python's own reader of tars, and what is said about a broken one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.errors import BadSourceError, UnusablePhotoError
from pipeline.photos.local_files import LocalFiles
from pipeline.photos.sources.base import Photo
from pipeline.photos.sources.tar_index import TarMember, read_member, tar_members

LOCATION = "/photos/train.tar"
FILES = {
    "a/1.jpg": b"one",
    "a/2.jpg": bytes(range(256)) * 5,
    "block.jpg": b"b" * 512,
    "none.jpg": b"",
    "a/new\nline.jpg": b"newline",
    os.fsdecode(b"caf\xe9.jpg"): b"latin",
    "caf\xe9.jpg": b"unicode",
    f"{'long' * 30}/{'name' * 20}.jpg": b"long",
    "last.jpg": b"last",
}


def packed(files, form=tarfile.PAX_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def with_special_members(*infos):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind in infos:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "elsewhere.jpg"
            tar.addfile(info)
    return buffer.getvalue()


def walked(data, start=0, size=None):
    return list(tar_members(io.BytesIO(data), LOCATION, start, size))


def contents(data, **window):
    return {name: data[place : place + size] for name, place, size in walked(data, **window)}


def members_end(data):
    """Where the last member's blocks end and the closing zeros begin."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        last = tar.getmembers()[-1]
    return last.offset_data + -(-last.size // 512) * 512


def header(name, size_field, kind=tarfile.REGTYPE):
    """A header whose size is written as given, with the checksum that goes with it."""
    block = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = size_field
    block[156:157] = kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def refusal(data, **window):
    with pytest.raises(BadSourceError) as caught:
        walked(data, **window)
    message = str(caught.value)
    assert message.startswith(LOCATION)
    assert "\n" not in message
    return message.removeprefix(LOCATION)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_where_tarfile_finds_them(form):
    data = packed(FILES, form)
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8") as tar:
        expected = [TarMember(info.name, info.offset_data, info.size) for info in tar]
    assert walked(data) == expected
    assert contents(data) == FILES


def test_tar_inside_another_is_walked_in_place():
    inner = packed(FILES)
    outer = packed({"before.tar": b"x" * 700, "inner.tar": inner, "after.tar": packed({"other.jpg": b"o"})})
    place = next(member for member in walked(outer) if member.name == "inner.tar")
    assert contents(outer, start=place.place, size=place.size_bytes) == FILES


def test_data_is_passed_over_unread():
    class Counting(io.BytesIO):
        num_bytes = 0

        def read(self, size=-1):
            data = super().read(size)
            self.num_bytes += len(data)
            return data

    file = Counting(packed({f"{number}.jpg": bytes(200_000) for number in range(50)}))
    assert len(list(tar_members(file, LOCATION))) == 50
    assert file.num_bytes < 50 * 2048 + 16 * 1024


def test_file_may_be_read_elsewhere_between_members():
    data = packed(FILES)
    file = io.BytesIO(data)
    found = {}
    for member in tar_members(file, LOCATION):
        file.seek(member.place)
        found[member.name] = file.read(member.size_bytes)
    assert found == FILES


def test_names_lose_what_says_nothing_and_hidden_files_are_left_out():
    data = packed(
        {
            "./a/1.jpg": b"1",
            "/b//2.jpg": b"2",
            "../c.jpg": b"3",
            "a/._1.jpg": b"4",
            "./.git/x": b"5",
            "a/...jpg": b"6",
        }
    )
    assert contents(data) == {"a/1.jpg": b"1", "b/2.jpg": b"2", "../c.jpg": b"3"}


def test_folders_are_left_out_and_what_is_no_plain_file_has_no_bytes():
    data = with_special_members(
        ("a", tarfile.DIRTYPE),
        ("a/hard.jpg", tarfile.LNKTYPE),
        ("a/soft.jpg", tarfile.SYMTYPE),
        ("a/pipe.jpg", tarfile.FIFOTYPE),
    )
    assert [(name, size) for name, _, size in walked(data)] == [
        ("a/hard.jpg", 0),
        ("a/soft.jpg", 0),
        ("a/pipe.jpg", 0),
    ]


def test_empty_tar_has_no_members():
    assert walked(packed({})) == []


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_cut_off_anywhere_is_refused(form):
    data = packed(FILES, form)
    end = members_end(data)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        ends = [info.offset_data + info.size for info in tar]
    near_blocks = (place + shift for place in range(0, end + 512, 512) for shift in (-1, 0, 1, 200))
    for cut in sorted({place for place in near_blocks if 0 <= place < end + 512}):
        said = refusal(data[:cut])
        whole = sum(place <= cut for place in ends)
        assert said == f" is cut off after {whole} members: fetch it again"
        # The same within another file, whatever follows there.
        assert refusal(b"ahead" + data, start=5, size=cut) == said
    assert len(walked(data[: end + 512])) == len(FILES)


def test_header_that_is_damaged_is_refused():
    data = packed(FILES, tarfile.USTAR_FORMAT)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        headers = [info.offset for info in tar]
    for count, place in enumerate(headers):
        for byte in (0, 124, 130, 148, 156, 257, 500):
            damaged = bytearray(data)
            damaged[place + byte] ^= 0x15
            assert refusal(bytes(damaged)) == f" is no tar, or damaged, after {count} members: fetch it again"


def test_text_is_no_tar():
    assert refusal(b"<html>not found</html>" * 100).startswith(" is no tar, or damaged, after 0 members")


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_tar_is_refused_saying_so(compress):
    assert "is compressed: decompress it first" in refusal(compress(packed(FILES)))


def test_tar_that_goes_on_after_its_end_is_refused():
    first = packed({"1.jpg": b"1"})
    assert "goes on after its end, which comes after 1 members" in refusal(first + packed({"2.jpg": b"2"}))


def test_zeros_where_a_download_stopped_are_refused_and_a_large_record_is_not():
    whole = packed(FILES)
    assert len(walked(whole + bytes(500 * 1024))) == len(FILES)
    assert "is cut off after 9 members" in refusal(whole + bytes(3 * 2**20))


def test_file_with_holes_is_refused_saying_so():
    sparse = header("holes.jpg", b"00000000000\0", tarfile.GNUTYPE_SPARSE)
    assert "holes" in refusal(sparse + bytes(1024))


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize(
    "size_field", [b"\xff" * 12, b"\x80" + bytes(4) + b"\x7f" + bytes(6), b"77777777777\0"]
)
def test_size_that_no_member_can_have_is_refused(kind, size_field):
    data = packed({"1.jpg": b"1"})
    end = members_end(data)
    said = refusal(data[:end] + header("2.jpg", size_field, kind) + bytes(2048))
    assert "after 1 members" in said


PATCHED = packed(FILES)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(PATCHED) - 1), st.integers(0, 255)), max_size=6), st.integers(0))
@example([], 0)
def test_whatever_the_bytes_members_lie_within_or_the_tar_is_refused(patches, cut):
    data = bytearray(PATCHED)
    for place, value in patches:
        data[place] = value
    data = bytes(data[: len(data) - cut])
    try:
        members = walked(data)
    except BadSourceError:
        return
    assert all(place >= 512 and size >= 0 and place + size <= len(data) for _, place, size in members)


def test_photo_is_read_from_its_place(tmp_path):
    (tmp_path / "train.tar").write_bytes(packed(FILES))
    files = LocalFiles(tmp_path)
    found = {}
    with files.open("train.tar") as file:
        for name, place, size in tar_members(file, LOCATION):
            found[name] = photo = Photo(f"train.tar/{name}", "a", size, "train.tar", place)
            if size:
                assert read_member(files, photo) == FILES[name]
    assert found.keys() == FILES.keys()
    outcomes = {
        "empty": found["none.jpg"],
        "too_large": found["last.jpg"]._replace(size_bytes=600 * 2**20),
        "unreadable": found["last.jpg"]._replace(place=10**9),
    }
    for reason, photo in outcomes.items():
        with pytest.raises(UnusablePhotoError) as caught:
            read_member(files, photo)
        assert caught.value.args[0] == reason
