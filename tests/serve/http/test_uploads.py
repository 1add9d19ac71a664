"""Hostile uploads: each is answered 2xx or with a problem that the OpenAPI document names, and none does harm."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

Draw = Callable[..., bytes]
TOKEN = "only-for-these-tests"  # noqa: S105
SEARCH = "/collections/photos/search/upload"
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
MAX_PIXELS = 1_000_000
BOUNDARY = "zehnzehn"


def saved(picture: Any, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Any:
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(values).convert(mode)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, depth: int, kind: int, rows: bytes, *more: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def truncated() -> Iterator[tuple[str, bytes]]:
    for kind in FORMATS:
        whole = saved(plain(), kind)
        for share in (0.1, 0.5, 0.9):
            yield f"{kind} cut at {share}", whole[: int(share * len(whole))]
        yield f"{kind} without its last byte", whole[:-1]
        yield (
            f"{kind} with bytes turned",
            bytes(255 - byte if place % 37 == 36 else byte for place, byte in enumerate(whole)),
        )


def of_other_kinds() -> Iterator[tuple[str, bytes]]:
    yield "nothing", b""
    yield "a byte", b"\0"
    yield "text", b"kein Bild"
    yield "PNG's beginning alone", b"\x89PNG\r\n\x1a\n"
    yield "JPEG's beginning alone", b"\xff\xd8\xff"
    yield "SVG", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'
    yield "SVG with an entity", b'<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>'
    yield "SVG that fetches", b'<svg><image href="http://127.0.0.1:1/"/></svg>'
    yield "HTML", b"<html><script>alert(1)</script></html>"
    yield "HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
    yield "AVIF", b"\0\0\0\x1cftypavif\0\0\0\0mif1miaf" + bytes(200)
    yield "JPEG XL", b"\xff\x0a" + bytes(200)
    yield "MP4", b"\0\0\0\x18ftypisom\0\0\2\0isommp42" + bytes(200)
    yield "PDF", b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript>>>>endobj\n"
    yield "PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (w) file\n"
    yield "MVG", b"push graphic-context\nfill 'url(https://127.0.0.1/|id)'\n"
    yield "ZIP", b"PK\3\4" + bytes(200)
    yield "gzip", b"\x1f\x8b\x08\0" + bytes(200)
    yield "ELF", b"\x7fELF\2\1\1" + bytes(200)
    yield "pickle", b"\x80\4\x95\x1b\0\0\0\0\0\0\0\x8c\5posix\x94\x8c\6system\x94\x93\x94."
    yield "PSD", b"8BPS\0\1" + bytes(200)
    yield "ICO", saved(plain(size=(32, 32)), "ICO")
    yield "PPM", b"P6 99999 99999 255\n" + bytes(200)
    yield "TGA", saved(plain(), "TGA")
    yield "PCX", saved(plain(), "PCX")
    yield "all bytes", bytes(range(256)) * 40


def polyglots() -> Iterator[tuple[str, bytes]]:
    yield "PNG and ZIP", saved(plain(), "PNG") + b"PK\3\4" + bytes(100) + b"PK\5\6" + bytes(18)
    yield "PNG and HTML", saved(plain(), "PNG") + b"<script>alert(1)</script>"
    yield "GIF and JavaScript", b"GIF89a/*" + bytes(10) + b"*/=1;alert(1)//" + saved(plain(), "GIF")
    yield "JPEG with HTML in a comment", saved(plain(), "JPEG", comment=b"<script>alert(1)</script>")
    yield "PDF, then JPEG", b"%PDF-1.4\n" + saved(plain(), "JPEG")
    yield "JPEG, then PNG", saved(plain(), "JPEG") + saved(plain(), "PNG")
    yield "WebP in a RIFF with more", saved(plain(), "WEBP") + b"RIFF" + bytes(1_000)
    yield "PNG and a megabyte", saved(plain(), "PNG") + bytes(1_000_000)


def bombs() -> Iterator[tuple[str, bytes]]:
    yield "PNG that says 60,000 × 60,000", png_of(60_000, 60_000, 8, 2, bytes(100))
    yield "PNG that says 2³¹ − 1", png_of(2**31 - 1, 2**31 - 1, 8, 2, bytes(100))
    yield "PNG of no pixels", png_of(0, 0, 8, 2, b"")
    yield "PNG of 1,001 × 1,000 pixels", saved(Image.new("1", (1_001, 1_000)), "PNG")
    yield "PNG whose pixels go on for ever", png_of(10, 10, 8, 2, bytes(20_000_000))
    yield (
        "PNG whose text unpacks to 60 MB",
        png_of(4, 4, 8, 2, bytes(4 * 13), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(60_000_000), 9))),
    )
    yield (
        "PNG whose profile unpacks to 60 MB",
        png_of(4, 4, 8, 2, bytes(4 * 13), chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(60_000_000), 9))),
    )
    yield "GIF that says 65,535 × 65,535", b"GIF89a\xff\xff\xff\xff\x80\0\0" + saved(plain("P"), "GIF")[13:]
    yield (
        "BMP of a negative height",
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 9, -(2**31), 1, 24, 0, 0, 0, 0, 0, 0),
    )
    yield (
        "BMP that says 2³¹ − 1",
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 2**31 - 1, 9, 1, 24, 0, 0, 0, 0, 0, 0),
    )
    jpeg = saved(plain(), "JPEG")
    at = jpeg.index(b"\xff\xc0") + 5
    yield "JPEG that says 65,500 × 65,500", jpeg[:at] + struct.pack(">HH", 65_500, 65_500) + jpeg[at + 4 :]
    yield "WebP of 1,100 × 1,000 pixels", saved(Image.new("RGB", (1_100, 1_000)), "WEBP")
    tiff = b"II*\0\x08\0\0\0"
    yield "TIFF whose directory leads to itself", tiff + struct.pack("<H", 0) + struct.pack("<I", 8)
    tags = [
        (256, 4, 1, 2**31),
        (257, 4, 1, 2**31),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (279, 4, 1, 2**31),
    ]
    yield (
        "TIFF that says 2³¹ × 2³¹",
        tiff + struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4),
    )
    yield "TIFF with a tag of 2³² values", tiff + struct.pack("<HHHII", 1, 256, 5, 2**32 - 1, 4) + bytes(8)


def animated() -> Iterator[tuple[str, bytes]]:
    frames = [plain().rotate(step) for step in range(60)]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        yield f"{kind} of sixty frames", saved(frames[0], kind, save_all=True, append_images=frames[1:])


def unusual() -> Iterator[tuple[str, bytes]]:
    grey = np.random.default_rng(0).integers(0, 65_536, (30, 40), np.uint16)
    yield "PNG of 16 bits, grey", saved(Image.fromarray(grey), "PNG")
    yield "PNG of 16 bits, colour", png_of(8, 8, 16, 2, (b"\0" + bytes(range(48))) * 8)
    yield "TIFF of 16 bits", saved(Image.fromarray(grey), "TIFF")
    yield "TIFF of floating point", saved(Image.fromarray(grey.astype(np.float32)), "TIFF")
    yield "TIFF of NaN", saved(Image.fromarray(np.full((9, 9), np.nan, np.float32)), "TIFF")
    yield "CMYK JPEG", saved(plain("CMYK"), "JPEG")
    yield "CMYK TIFF", saved(plain("CMYK"), "TIFF")
    yield "grey JPEG", saved(plain("L"), "JPEG")
    yield "palette", saved(plain("P"), "PNG")
    yield "one bit", saved(plain("1"), "PNG")
    yield "transparent", saved(plain("RGBA"), "PNG")
    yield "grey and transparent", saved(plain("LA"), "PNG")
    yield "one pixel", saved(plain(size=(1, 1)), "PNG")
    yield "a line", saved(plain(size=(3_000, 1)), "PNG")
    yield "progressive", saved(plain(), "JPEG", progressive=True)
    for turn in (3, 6, 8, 99):
        exif = Image.Exif()
        exif[0x0112] = turn
        yield f"turned by EXIF {turn}", saved(plain(), "JPEG", exif=exif)
    yield "broken EXIF", saved(plain(), "JPEG", exif=b"Exif\0\0MM\0*" + b"\xff" * 40)
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "x" * 50_000)
    yield "long text", saved(plain(), "PNG", pnginfo=info)


HOSTILE = dict([*truncated(), *of_other_kinds(), *polyglots(), *bombs(), *animated(), *unusual()])


def form(*parts: bytes, end: bytes = b"--zehnzehn--\r\n") -> bytes:
    return b"".join(b"--zehnzehn\r\n" + part + b"\r\n" for part in parts) + end


def part(head: str | bytes, data: bytes) -> bytes:
    named = head if isinstance(head, bytes) else head.encode("utf-8", "surrogatepass")
    return b"Content-Disposition: form-data; " + named + b"\r\n\r\n" + data


def file_of(data: bytes) -> bytes:
    return part('name="files"; filename="a"', data)


FILE = saved(plain(), "PNG")
A_FILE = file_of(FILE)
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
NAMES = {
    "path traversal": 'filename="../../../../etc/passwd"',
    "an absolute path": 'filename="/etc/passwd"',
    "a path of Windows": 'filename="C:\\\\Windows\\\\win.ini"',
    "NUL": 'filename="a\0b.png"',
    "control characters": 'filename="a\x1b[31m\x07.png"',
    "no name": 'filename=""',
    "a dot": 'filename="."',
    "two dots": 'filename=".."',
    "a device": 'filename="/dev/stdin"',
    "4,000 characters": f'filename="{"x" * 4_000}.png"',
    "20,000 characters": f'filename="{"x" * 20_000}.png"',
    "HTML": 'filename="<img src=x onerror=alert(1)>.png"',
    "Chinese": 'filename="图片.png"',
    "right to left": 'filename="gnp.\u202egpj"',
    "half a character": 'filename="\udcff.png"',
    "another alphabet by its own header": "filename*=UTF-8''%e2%82%ac%00.png",
    "SQL": 'filename="\'; DROP TABLE images; --.png"',
}
FORMS: dict[str, tuple[bytes, str]] = {
    **{f"a name of {name}": (form(part(f'name="files"; {text}', FILE)), TYPE) for name, text in NAMES.items()},
    "another boundary": (form(A_FILE), "multipart/form-data; boundary=other"),
    "no boundary": (form(A_FILE), "multipart/form-data"),
    "an empty boundary": (form(A_FILE), "multipart/form-data; boundary="),
    "a long boundary": (b"--" + b"x" * 5_000, "multipart/form-data; boundary=" + "x" * 5_000),
    "no end": (form(A_FILE, end=b""), TYPE),
    "half a part": (b'--zehnzehn\r\nContent-Disposition: form-data; name="fi', TYPE),
    "no parts": (b"--zehnzehn--\r\n", TYPE),
    "nothing at all": (b"", TYPE),
    "lines that end otherwise": (form(A_FILE).replace(b"\r\n", b"\n"), TYPE),
    "a part without name": (form(part('filename="a"', FILE)), TYPE),
    "a part without headers": (form(b"\r\n" + FILE), TYPE),
    "a field instead of a file": (form(part('name="files"', b"text")), TYPE),
    "a long field": (form(part('name="where"', b"x" * 100_000), A_FILE), TYPE),
    "a long header": (form(b"X-Long: " + b"x" * 100_000 + b"\r\n" + A_FILE), TYPE),
    "a thousand headers": (form(b"X: y\r\n" * 1_000 + A_FILE), TYPE),
    "33 files": (form(*[A_FILE] * 33), TYPE),
    "10,000 files of nothing": (form(*[file_of(b"")] * 10_000), TYPE),
    "40 fields": (form(*[part(f'name="f{place}"', b"x") for place in range(40)]), TYPE),
    "a form within": (form(b"Content-Type: multipart/mixed; boundary=in\r\n" + file_of(b"--in--")), TYPE),
    "base64 that is not decoded": (form(b"Content-Transfer-Encoding: base64\r\n" + file_of(b"AAAA")), TYPE),
    "another alphabet": (form(A_FILE), TYPE + "; charset=utf-7"),
    "an alphabet that is none": (form(A_FILE), TYPE + "; charset=\\x00"),
    "a packed body": (zlib.compress(form(A_FILE)), TYPE),
    "an image alone": (FILE, "image/png"),
    "an address instead of a file": (form(part('name="url"', b"http://169.254.169.254/")), TYPE),
    "an address as a file": (form(file_of(b"http://169.254.169.254/")), TYPE),
    "a field of no number": (form(part('name="k"', b"ten"), A_FILE), TYPE),
    "a field of NaN": (form(part('name="k"', b"NaN"), A_FILE), TYPE),
    "a field twice": (form(*[part('name="k"', b"3")] * 2, A_FILE), TYPE),
    "fields of an address": (b"files=a&k=3", "application/x-www-form-urlencoded"),
    "JSON": (b'{"files": []}', "application/json"),
}  # fmt: skip


@pytest.fixture(scope="module")
def strict(serve: Any) -> Any:
    """A service that takes small images only."""
    return serve(max_pixels=MAX_PIXELS)


@pytest.fixture(autouse=True)
def no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is uploaded may go to disk on its way."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a temporary file")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", refuse)


def check(service: Any, answer: httpx.Response, path: str) -> None:
    assert answer.status_code in service.documented(path), answer.text
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
    assert "root:" not in answer.text


def test_the_corpus_is_large() -> None:
    assert len(HOSTILE) + len(FORMS) >= 60


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_answered_in_words_or_searched(strict: Any, name: str) -> None:
    given, path = HOSTILE[name], "/collections/{name}"
    check(strict, strict.http.post(SEARCH, files={"files": given}, data={"k": "2"}), f"{path}/search/upload")
    check(strict, strict.http.post("/collections/photos/encode", files=[("files", given)] * 2), f"{path}/encode")
    distort = {"file": ("a", given), "robust": (None, "false"), "noise": (None, "0.1")}
    check(strict, strict.http.post("/collections/photos/distort", files=distort), f"{path}/distort")
    added = strict.http.post("/collections/photos/images", files={"files": given}, headers=strict.authorized)
    check(strict, added, f"{path}/images")
    for id_ in added.json().get("ids", ()):
        strict.http.delete(f"/collections/photos/images/{id_}", headers=strict.authorized)


@pytest.mark.parametrize("name", FORMS)
def test_a_hostile_form_is_answered_in_words_or_searched(
    strict: Any, name: str, collection_path: Path, request: pytest.FixtureRequest
) -> None:
    body, kind = FORMS[name]
    for path in ("search/upload", "encode", "distort", "images"):
        headers = strict.authorized | {"Content-Type": kind}
        answer = strict.http.post(f"/collections/photos/{path}", content=body, headers=headers)
        check(strict, answer, f"/collections/{{name}}/{path}")
        for id_ in answer.json().get("ids", ()) if path == "images" else ():
            stored = Path(strict.http.get(f"/collections/photos/images/{id_}").json()["path"])
            assert stored.parent == collection_path.with_suffix(".uploads") or collection_path.parent in stored.parents
            assert ".." not in stored.parts
            strict.http.delete(f"/collections/photos/images/{id_}", headers=strict.authorized)


@pytest.mark.parametrize(
    "name",
    [
        "PNG of 16 bits, grey",
        "CMYK JPEG",
        "palette",
        "turned by EXIF 6",
        "GIF of sixty frames",
        "one pixel",
        "transparent",
    ],
)
def test_unusual_images_are_searched(strict: Any, name: str) -> None:
    assert strict.http.post(SEARCH, files={"files": HOSTILE[name]}).status_code == 200


@pytest.mark.parametrize(
    "name",
    ["PNG of 1,001 × 1,000 pixels", "PNG that says 60,000 × 60,000", "SVG", "HEIC", "PDF", "PostScript", "nothing"],
)
def test_what_is_no_image_or_too_large_a_one_is_refused(strict: Any, name: str) -> None:
    assert strict.http.post(SEARCH, files={"files": HOSTILE[name]}).status_code == 422


def test_which_file_is_at_fault_is_said(strict: Any) -> None:
    answer = strict.http.post(SEARCH, files=[("files", FILE), ("files", b"no")])
    assert answer.json()["detail"].startswith("file 2 of 2: expected JPEG, PNG")


def test_too_many_files_are_said_to_be_too_many(strict: Any) -> None:
    answer = strict.http.post(SEARCH, files=[("files", FILE)] * 33)
    assert answer.status_code == 413
    assert "at most 32 files" in answer.json()["detail"]
    assert strict.http.post(SEARCH, files=[("files", FILE)] * 32).status_code == 200


def test_an_image_is_turned_as_its_camera_was_held(strict: Any) -> None:
    upright = saved(ImageOps.exif_transpose(Image.open(io.BytesIO(HOSTILE["turned by EXIF 6"]))), "PNG")
    codes = [
        strict.http.post("/collections/photos/encode", files={"files": given}).json()["codes"][0]
        for given in (HOSTILE["turned by EXIF 6"], upright)
    ]
    assert codes[0] == pytest.approx(codes[1], abs=1e-3)


def test_after_all_that_the_service_is_as_before(strict: Any) -> None:
    assert strict.http.get("/ready").status_code == 200
    assert strict.http.get("/collections/photos").json()["n_images"] == 30
    assert strict.app.state.service.decoder.n_waiting == 0
    assert 'zehn_queue_depth{queue="the model"} 0.0' in strict.http.get("/metrics").text
