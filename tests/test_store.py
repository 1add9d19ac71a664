from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from zehn import store
from zehn.errors import InputError, ModelFileError, RunError, UnknownNameError


def make_model(**changes: Any) -> store.Model:
    generator = np.random.default_rng(0)
    values: dict[str, Any] = {
        "architecture": "residual",
        "n_components": 3,
        "image_size": 32,
        "options": {"widths": [8, 16], "dropout": 0.0},
        "weights": {
            "encoder.stem.weight": generator.normal(size=(8, 3, 3, 3)).astype(np.float32),
            "encoder.norm.num_batches_tracked": np.array(7, np.int64),
            "decoder.head.bias": generator.normal(size=5).astype(np.float32),
        },
        "code_mean": np.array([0.0, 1.0, -2.5]),
        "code_covariance": np.eye(3),
        "graphs": {"encoder": bytes(range(256)), "decoder": b"graph"},
        "config_toml": 'preset = "quick"\n',
        "card": {"name": "tëst", "figures": {"mse": 0.02, "nothing": math.nan}},
        "versions": {"zehn": "0.1.0"},
        "created": "2026-01-01T00:00:00+00:00",
    }
    return store.Model(**{**values, **changes})


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    store.save_model(tmp_path / "model.h5", make_model())
    return tmp_path / "model.h5"


class TestModelFile:
    def test_comes_back_as_it_was(self, model_path: Path) -> None:
        saved, loaded = make_model(), store.load_model(model_path)
        assert loaded.fingerprint == saved.fingerprint
        assert list(loaded.weights) == sorted(saved.weights)
        for name, value in saved.weights.items():
            np.testing.assert_array_equal(loaded.weights[name], value)
            assert loaded.weights[name].dtype == value.dtype
            assert loaded.weights[name].shape == value.shape
        np.testing.assert_array_equal(loaded.code_mean, saved.code_mean)
        np.testing.assert_array_equal(loaded.code_covariance, saved.code_covariance)
        assert loaded.graphs == saved.graphs
        assert loaded.card == {"name": "tëst", "figures": {"mse": 0.02, "nothing": None}}
        for name in ("architecture", "n_components", "image_size", "options", "config_toml", "versions", "created"):
            assert getattr(loaded, name) == getattr(saved, name), name

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        weights=st.dictionaries(
            st.from_regex(r"[a-z][a-z0-9_.]{0,20}", fullmatch=True),
            hnp.arrays(
                st.sampled_from([hnp.floating_dtypes(), hnp.integer_dtypes()]).flatmap(lambda kind: kind),
                hnp.array_shapes(min_dims=0, max_dims=3, max_side=4),
            ),
            max_size=4,
        ),
        card=st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.booleans(), max_size=3),
    )
    def test_any_weights_come_back(
        self, tmp_path: Path, weights: dict[str, NDArray[Any]], card: dict[str, Any]
    ) -> None:
        saved = make_model(weights=weights, card=card)
        store.save_model(tmp_path / "any.h5", saved)
        loaded = store.load_model(tmp_path / "any.h5")
        assert loaded.fingerprint == saved.fingerprint
        assert loaded.card == card
        for name, value in weights.items():
            np.testing.assert_array_equal(loaded.weights[name], value)

    def test_h5py_alone_reads_it(self, model_path: Path) -> None:
        with h5py.File(model_path) as file:
            assert file.attrs["architecture"] == "residual"
            assert file.attrs["n_components"] == 3
            assert file["weights/encoder.stem.weight"].shape == (8, 3, 3, 3)
            assert json.loads(file["card"].asstr()[()])["name"] == "tëst"
            assert set(file) == {"weights", "statistics", "graphs", "options", "card", "versions", "configuration"}

    def test_fingerprint_is_of_what_decides_the_codes(self) -> None:
        fingerprint = make_model().fingerprint
        assert fingerprint.startswith("zehn-")
        assert len(fingerprint) == len("zehn-") + 16
        assert make_model().fingerprint == fingerprint
        same = make_model(created="2027-01-01", card={}, versions={}, config_toml="", code_mean=np.zeros(3))
        assert same.fingerprint == fingerprint
        weights = dict(make_model().weights)
        weights["decoder.head.bias"] = weights["decoder.head.bias"] + np.float32(1e-6)
        others: list[dict[str, Any]] = [
            {"weights": weights},
            {"architecture": "conv"},
            {"options": {}},
            {"image_size": 64},
        ]
        assert fingerprint not in {make_model(**change).fingerprint for change in others}

    def test_saved_twice_the_same_fingerprint_and_bytes(self, tmp_path: Path, model_path: Path) -> None:
        store.save_model(tmp_path / "again.h5", store.load_model(model_path))
        again = store.load_model(tmp_path / "again.h5")
        assert again.fingerprint == make_model().fingerprint
        store.save_model(tmp_path / "third.h5", again)
        assert (tmp_path / "third.h5").read_bytes() == (tmp_path / "again.h5").read_bytes()

    def test_float16_halves_the_weights_and_has_its_own_fingerprint(self, tmp_path: Path) -> None:
        big = make_model(weights={"encoder.w": np.random.default_rng(0).normal(size=(300, 300)).astype(np.float32)})
        store.save_model(tmp_path / "32.h5", big)
        stored = store.save_model(tmp_path / "16.h5", big, dtype="float16")
        loaded = store.load_model(tmp_path / "16.h5")
        assert loaded.weights["encoder.w"].dtype == np.float16
        assert loaded.fingerprint == stored.fingerprint != big.fingerprint
        np.testing.assert_allclose(loaded.weights["encoder.w"], big.weights["encoder.w"], rtol=1e-3, atol=1e-6)
        assert (tmp_path / "16.h5").stat().st_size < 0.6 * (tmp_path / "32.h5").stat().st_size

    def test_float16_leaves_counters_alone(self) -> None:
        rounded = store.with_dtype(make_model(), "float16")
        assert rounded.weights["encoder.norm.num_batches_tracked"].dtype == np.int64

    def test_float16_refuses_what_does_not_fit(self, tmp_path: Path) -> None:
        large = make_model(weights={"encoder.w": np.array([7e4], np.float32)})
        with pytest.raises(InputError, match=r"encoder\.w reach 70000, too large for float16; use float32"):
            store.save_model(tmp_path / "model.h5", large, dtype="float16")
        with pytest.raises(InputError, match="float32 or float16, came 'int8'"):
            store.with_dtype(large, "int8")

    def test_cut_short_anywhere(self, model_path: Path) -> None:
        data = model_path.read_bytes()
        for n_left in {*range(0, len(data), max(1, len(data) // 60)), len(data) - 1}:
            model_path.write_bytes(data[:n_left])
            with pytest.raises(
                ModelFileError, match=r"cut short or damaged|is empty|is no HDF5 file|was changed after"
            ):
                store.load_model(model_path)

    def test_one_flipped_byte_is_noticed_or_harmless(self, model_path: Path) -> None:
        data, original = model_path.read_bytes(), store.load_model(model_path)
        generator, n_noticed = np.random.default_rng(0), 0
        for position in generator.integers(8, len(data), 150):
            model_path.write_bytes(data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :])
            try:
                loaded = store.load_model(model_path)
            except ModelFileError:
                n_noticed += 1
            else:
                assert loaded.fingerprint == original.fingerprint
                assert loaded.graphs == original.graphs
                np.testing.assert_array_equal(loaded.code_covariance, original.code_covariance)
        assert n_noticed > 20

    @pytest.mark.parametrize(
        "name", ["weights/decoder.head.bias", "statistics/code_mean", "statistics/code_covariance", "graphs/encoder"]
    )
    def test_tampered_numbers(self, model_path: Path, name: str) -> None:
        with h5py.File(model_path, "r+") as file:
            file[name][...] = file[name][()] + np.ones((), file[name].dtype)
        with pytest.raises(ModelFileError, match="was changed after Zehn saved it: its checksum does not match"):
            store.load_model(model_path)

    @pytest.mark.parametrize("name", ["card", "options", "configuration", "versions"])
    def test_tampered_text(self, model_path: Path, name: str) -> None:
        with h5py.File(model_path, "r+") as file:
            del file[name]
            file[name] = "{}"
        with pytest.raises(ModelFileError, match="was changed after Zehn saved it"):
            store.load_model(model_path)

    def test_tampered_attributes_and_additions(self, model_path: Path) -> None:
        data = model_path.read_bytes()
        for change in ("created", "fingerprint", "unheard_of"):
            with h5py.File(model_path, "r+") as file:
                file.attrs[change] = "x"
            with pytest.raises(ModelFileError, match="was changed after Zehn saved it"):
                store.load_model(model_path)
            model_path.write_bytes(data)
        with h5py.File(model_path, "r+") as file:
            file["weights/extra"] = np.zeros(2)
        with pytest.raises(ModelFileError, match="was changed after Zehn saved it"):
            store.load_model(model_path)

    def test_missing_parts(self, model_path: Path) -> None:
        with h5py.File(model_path, "r+") as file:
            del file["statistics"]
        with pytest.raises(ModelFileError, match=r"was changed|damaged"):
            store.load_model(model_path)
        with h5py.File(model_path, "r+") as file:
            del file.attrs["checksum"]
        with pytest.raises(ModelFileError, match=r"was changed|damaged"):
            store.load_model(model_path)

    def test_links_out_of_the_file_are_not_followed(self, model_path: Path, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "other.h5", "w") as other:
            other["secret"] = np.arange(3)
        data = model_path.read_bytes()
        for link in (h5py.ExternalLink(str(tmp_path / "other.h5"), "/secret"), h5py.SoftLink("/card")):
            with h5py.File(model_path, "r+") as file:
                file["weights/link"] = link
            with pytest.raises(ModelFileError, match="link is a link"):
                store.load_model(model_path)
            model_path.write_bytes(data)

    def test_data_kept_elsewhere_and_bombs_are_refused(self, model_path: Path, tmp_path: Path) -> None:
        data = model_path.read_bytes()
        (tmp_path / "raw").write_bytes(bytes(24))
        with h5py.File(model_path, "r+") as file:
            file.create_dataset("weights/outside", (3,), "f8", external=[(str(tmp_path / "raw"), 0, 24)])
        with pytest.raises(ModelFileError, match="outside is not stored in the file"):
            store.load_model(model_path)
        model_path.write_bytes(data)
        with h5py.File(model_path, "r+") as file:
            file.create_dataset("weights/bomb", (10**6, 10**6), "f4", chunks=(1000, 1000))
        with pytest.raises(ModelFileError, match="bomb is not stored in the file"):
            store.load_model(model_path)

    def test_what_is_larger_than_the_file_only_together_is_refused(self, model_path: Path) -> None:
        data = model_path.read_bytes()
        with h5py.File(model_path, "r+") as file:
            file["weights/large"] = np.zeros(len(data) // 4)
            for number in range(3):
                file[f"weights/again{number}"] = file["weights/large"]
        with pytest.raises(ModelFileError, match="its entries together are larger than the file"):
            store.load_model(model_path)
        model_path.write_bytes(data)
        with h5py.File(model_path, "r+") as file:
            file["card2"] = "x" * len(data)
            for number in range(3):
                file[f"again{number}"] = file["card2"]
        with pytest.raises(ModelFileError, match="its entries together are larger than the file"):
            store.load_model(model_path)
        model_path.write_bytes(data)
        with h5py.File(model_path, "r+") as file:
            file.attrs.create("many", ["x"] * 100, dtype=h5py.string_dtype())
        with pytest.raises(ModelFileError, match="attribute many is no single value"):
            store.load_model(model_path)

    def test_only_numbers_and_texts_are_read(self, model_path: Path) -> None:
        data = model_path.read_bytes()
        for value in (np.array([b"a", b"b"]), np.array([1j]), np.zeros(2, [("a", "f4")])):
            with h5py.File(model_path, "r+") as file:
                file["weights/odd"] = value
            with pytest.raises(ModelFileError, match="weights/odd holds neither numbers nor a text"):
                store.load_model(model_path)
            model_path.write_bytes(data)
        with h5py.File(model_path, "r+") as file:
            file.create_group("weights/deep")
        with pytest.raises(ModelFileError, match="weights/deep is no data set"):
            store.load_model(model_path)

    def test_foreign_files(self, tmp_path: Path) -> None:
        path = tmp_path / "foreign.h5"
        path.write_bytes(b"")
        with pytest.raises(
            ModelFileError, match=r"foreign\.h5 is empty, so no Zehn model; name a file that Zehn saved"
        ):
            store.load_model(path)
        path.write_bytes(b"\x80\x04pickled?")
        with pytest.raises(ModelFileError, match="is no HDF5 file, so no Zehn model"):
            store.load_model(path)
        with h5py.File(path, "w") as file:
            file["x"] = 1
        with pytest.raises(ModelFileError, match="is an HDF5 file but no Zehn model"):
            store.load_model(path)

    def test_newer_version(self, model_path: Path) -> None:
        with h5py.File(model_path, "r+") as file:
            file.attrs["format_version"] = 2
            file["novelty"] = [1, 2]
        with pytest.raises(ModelFileError, match="has model format 2, and this Zehn reads up to 1; upgrade Zehn"):
            store.load_model(model_path)

    @pytest.mark.usefixtures("model_path")
    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(ModelFileError, match=r"there is no model file .*nowhere/model\.h5; name one"):
            store.load_model(tmp_path / "nowhere" / "model.h5")
        with pytest.raises(ModelFileError, match=r"there is no model file nowhere\.h5"):
            store.load_model("nowhere.h5")
        with pytest.raises(
            ModelFileError, match=r"expected a model file, came the folder .*did you mean .*model\.h5\?"
        ):
            store.load_model(tmp_path)

    def test_shipped_names(self, tmp_path: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "weights").mkdir()
        model_path.rename(tmp_path / "weights" / "cifar10.h5")
        monkeypatch.setattr("zehn.store.model.files", lambda _: tmp_path)
        assert store.shipped_names() == ["cifar10"]
        assert store.load_model("cifar10").architecture == "residual"
        with pytest.raises(UnknownNameError, match="unknown model 'cifar'; did you mean 'cifar10'"):
            store.load_model("cifar")

    def test_unknown_name_without_shipped_models(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("zehn.store.model.files", lambda _: tmp_path)
        with pytest.raises(UnknownNameError, match="unknown model 'cifar10'; there are: none") as caught:
            store.load_model("cifar10")
        assert caught.value.kind == "model"

    def test_says_in_a_line_what_it_is(self) -> None:
        assert len(repr(make_model())) < 300

    def test_is_frozen(self) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError, match="architecture"):
            make_model().architecture = "conv"  # type: ignore[misc]


class TestWriting:
    def test_makes_folders_and_replaces(self, tmp_path: Path) -> None:
        path = tmp_path / "a" / "b.txt"
        store.write_atomically(path, "ä")
        assert path.read_bytes() == "ä".encode()
        assert store.write_atomically(str(path), b"new") == path
        assert path.read_bytes() == b"new"
        assert [entry.name for entry in path.parent.iterdir()] == ["b.txt"]

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
    def test_full_disk_says_what_to_do_and_keeps_the_old(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        path = store.write_atomically(tmp_path / "file.txt", "old")

        def refuse(descriptor: int) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "fsync", refuse)
        with pytest.raises(
            RunError, match=r"disk is full: no room to write .*file\.txt \(.* MB left\); free some space"
        ):
            store.write_atomically(path, "new")
        assert path.read_text() == "old"
        assert [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]

    def test_really_full_disk(self, full_disk: Path) -> None:
        path = store.write_atomically(full_disk / "small.txt", "fits")
        with pytest.raises(RunError, match="the disk is full"):
            store.write_atomically(path, bytes(3_000_000))
        assert path.read_text() == "fits"
        assert [entry.name for entry in full_disk.iterdir()] == ["small.txt"]
        with pytest.raises(RunError, match="the disk is full"):
            store.save_model(full_disk / "m.h5", make_model(weights={"encoder.w": np.zeros(10**6, np.float32)}))
        with store.Run.create(full_disk / "run") as run, pytest.raises(RunError, match="the disk is full"):
            run.write_json("big.json", ["x" * 1000] * 3000)

    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(RunError, match=r"cannot write .*; move that away or name another place"):
            store.write_atomically(tmp_path / "file" / "below.txt", "")
        with pytest.raises(RunError, match="Is a directory"):
            store.write_atomically(tmp_path, "")

    def test_forbidden(self, tmp_path: Path) -> None:
        message = "Permission denied; make its folder writable or name another one"
        with pytest.raises(RunError, match=message), store.writing(tmp_path):
            raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_unwritable_folder(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        with pytest.raises(RunError, match="make its folder writable"):
            store.Run.create(tmp_path / "run")


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "full"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("cannot mount a small file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


class TestJson:
    def test_plain_values(self) -> None:
        @dataclasses.dataclass
        class Point:
            x: float
            where: Path

        value = {
            "nan": math.nan, "inf": [-math.inf], "f32": np.float32(0.5), "n": np.int64(3), "flag": np.True_, 1: None,
            "array": np.array([[1.0, np.nan]]), "tuple": (1, 2), "point": Point(1.5, Path("a/b")), "text": "ö",
        }  # fmt: skip
        expected = {
            "nan": None, "inf": [None], "f32": 0.5, "n": 3, "flag": True, "1": None,
            "array": [[1.0, None]], "tuple": [1, 2], "point": {"x": 1.5, "where": "a/b"}, "text": "ö",
        }  # fmt: skip
        assert json.loads(store.to_json(value)) == expected

    @given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda c: st.lists(c, max_size=3)))
    def test_is_always_strict_json(self, value: Any) -> None:
        json.loads(store.to_json(value), parse_constant=pytest.fail)

    def test_what_json_cannot_say(self) -> None:
        with pytest.raises(TypeError, match="not JSON serializable"):
            store.to_json({"x": object()})

    def test_hash_of_inputs(self) -> None:
        assert store.inputs_hash({"a": 1, "b": (2,)}) == store.inputs_hash({"b": [2], "a": 1})
        assert store.inputs_hash({"a": 1}) != store.inputs_hash({"a": 2})
        assert store.inputs_hash("a", "b") != store.inputs_hash("ab")
        assert len(store.inputs_hash(None)) == 16


class TestRun:
    def test_stages(self, tmp_path: Path) -> None:
        with store.Run.create(tmp_path / "run") as run:
            assert run.stages() == {}
            run.write_json("data/data.json", {"n": 3})
            run.mark_done("data", "aa", 1.5, outputs=["data/data.json"])
            run.mark_done("train", "bb", 2.0)
        with store.Run.create(tmp_path / "run") as run:
            assert list(run.stages()) == ["data", "train"]
            assert run.stages()["data"]["seconds"] == 1.5
            assert run.is_done("data", "aa")
            assert not run.is_done("data", "other")
            assert not run.is_done("check", "aa")
            (run.path / "data" / "data.json").unlink()
            assert not run.is_done("data", "aa")
            assert run.is_done("train", "bb")

    def test_a_stage_killed_half_way_is_redone(self, tmp_path: Path) -> None:
        run = store.Run.create(tmp_path / "run")
        run.mark_done("train", "old", 1.0)
        run.begin("train")
        run.begin("never done")
        run.close()
        assert not store.Run.open(tmp_path / "run").is_done("train", "old")

    def test_json(self, tmp_path: Path) -> None:
        run = store.Run.create(tmp_path / "run")
        path = run.write_json("check/check.json", {"x": math.nan})
        assert path == tmp_path / "run" / "check" / "check.json"
        assert run.read_json("check/check.json") == {"x": None}
        assert run.has("check")
        with pytest.raises(RunError, match=r"holds no query/query\.json: that stage was not run yet"):
            run.read_json("query/query.json")
        path.write_text("{")
        with pytest.raises(RunError, match=r"cannot read .*check\.json: .*; delete it and run its stage again"):
            run.read_json("check/check.json")

    def test_open_needs_a_run(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match=r"there is no run folder .*; make one with: zehn run --out"):
            store.Run.open(tmp_path / "nowhere")
        with pytest.raises(RunError, match=r"is no run folder: it has no stages\.json"):
            store.Run.open(tmp_path)

    def test_create_refuses_a_folder_of_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("")
        with pytest.raises(RunError, match=r"is no run folder but holds 'thesis\.txt'; name a new or an empty folder"):
            store.Run.create(tmp_path)

    def test_create_in_the_place_of_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(RunError, match=r"cannot write .*File exists"):
            store.Run.create(tmp_path / "file")

    @pytest.mark.parametrize("book", ["", "[]", '{"version": 1, "stages": []}'])
    def test_damaged_book(self, tmp_path: Path, book: str) -> None:
        (tmp_path / "stages.json").write_text(book)
        with pytest.raises(RunError, match=r"stages\.json.*delete it and run"):
            store.Run.open(tmp_path)

    def test_newer_version(self, tmp_path: Path) -> None:
        (tmp_path / "stages.json").write_text('{"version": 2, "stages": {}}')
        with pytest.raises(RunError, match="has run version 2, and this Zehn reads up to 1; upgrade Zehn"):
            store.Run.create(tmp_path)

    def test_one_writer_at_a_time(self, tmp_path: Path) -> None:
        run = store.Run.create(tmp_path / "run")
        program = f"from zehn.store import Run; Run.create({str(tmp_path / 'run')!r})"
        other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert f"is being written by another process ({os.getpid()})" in other.stderr
        with pytest.raises(RunError, match=r"is being written by another process .*; wait for it to end"):
            store.Run.open(run.path, for_writing=True)
        assert store.Run.open(run.path).stages() == {}
        run.close()
        run.close()
        subprocess.run([sys.executable, "-c", program], check=True)
        with store.Run.open(run.path, for_writing=True):
            pass

    def test_a_writer_killed_half_way_leaves_nothing_behind(self, tmp_path: Path) -> None:
        """SIGKILL in the middle of a write: the old file stays, and the next writer clears the rest away."""
        program = f"""
import os, signal
from zehn.store import Run
run = Run.create({str(tmp_path / "run")!r})
run.write_json("check/check.json", "old")
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
run.write_json("check/check.json", "new")
"""
        killed = subprocess.run([sys.executable, "-c", program], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert len(list((tmp_path / "run" / "check").iterdir())) == 2
        with store.Run.create(tmp_path / "run") as run:
            assert run.read_json("check/check.json") == "old"
            assert [path.name for path in (run.path / "check").iterdir()] == ["check.json"]

    def test_a_forgotten_run_lets_go(self, tmp_path: Path) -> None:
        store.Run.create(tmp_path / "run").begin("data")
        store.Run.create(tmp_path / "run").close()
