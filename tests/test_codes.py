from __future__ import annotations

import copy
import dataclasses
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from zehn import codes, models, plugins, store
from zehn.codes import network as network_module
from zehn.codes import passes
from zehn.errors import (
    ConfigError,
    DataError,
    InputError,
    MissingExtraError,
    ModelFileError,
    TrainingError,
    UnknownNameError,
)


def random_images(n: int, size: int = 32, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def lived_in(architecture: str = "conv", **settings: Any) -> models.Network:
    """Return a network whose every tensor differs from its neighbours, as after training."""
    network = models.build(architecture, **{"n_components": 4, **settings})
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                noise = 0.1 * torch.rand(value.shape, generator=generator)
                value.add_(noise if name.endswith(("running_var", "bias", "running_mean")) else noise - 0.05)
    return network.eval()


def through_torch(network: models.Network, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    with torch.no_grad():
        return network.encoder(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255).numpy()


@pytest.fixture(scope="module")
def network() -> models.Network:
    return lived_in()


@pytest.fixture(scope="module")
def model(network: models.Network) -> store.Model:
    return codes.from_network(network, random_images(40), config_toml="seed = 1\n", card={"name": "test"})


class TestFromNetwork:
    @pytest.mark.parametrize("architecture", plugins.names("models"))
    @pytest.mark.parametrize("image_size", [28, 32])
    def test_every_architecture(self, architecture: str, image_size: int) -> None:
        network = lived_in(architecture, image_size=image_size)
        images = random_images(5, image_size)
        model = codes.from_network(network, images)
        expected = through_torch(network, images)
        np.testing.assert_allclose(codes.encode(model, images), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
        with torch.no_grad():
            decoded = network.decoder(torch.from_numpy(expected)).permute(0, 2, 3, 1).numpy()
        np.testing.assert_allclose(codes.decode(model, expected), decoded, atol=1e-5)
        n_bytes = sum(weights.nbytes for weights in model.weights.values())
        assert sum(map(len, model.graphs.values())) < 40_000 + n_bytes / 100, "the graphs repeat the weights"

    @pytest.mark.parametrize("image_size", [45, 100])
    def test_compact_at_other_sizes(self, image_size: int) -> None:
        network = lived_in("compact", image_size=image_size)
        images = random_images(3, image_size)
        model = codes.from_network(network, images)
        expected = through_torch(network, images)
        np.testing.assert_allclose(codes.encode(model, images), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())

    @pytest.mark.parametrize("architecture", plugins.names("models"))
    def test_tensors_that_are_equal_when_they_are_exported(self, architecture: str) -> None:
        """The exporter merges them; other weights may be put in their places later, as rounding does."""
        network = models.build(architecture)
        with torch.no_grad():
            for value in network.parameters():
                value.zero_()
        model = codes.from_network(network, random_images(3))
        other = models.build(architecture, seed=7)
        weights = {name: value.numpy() for name, value in other.state_dict().items()}
        images = random_images(4)
        vectors = codes.encode(dataclasses.replace(model, weights=weights), images)
        np.testing.assert_allclose(vectors, through_torch(other, images), rtol=1e-4, atol=1e-5)

    def test_a_weight_that_nothing_reads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        build = models.build

        def with_spare(*arguments: Any, **settings: Any) -> models.Network:
            network = build(*arguments, **settings)
            network.encoder.spare = torch.nn.Linear(2, 2)
            network.encoder.tied = network.encoder.head
            return network

        monkeypatch.setattr(models, "build", with_spare)
        images = random_images(3)
        network = with_spare("conv")
        model = codes.from_network(network, images)
        assert "encoder.spare.weight" in model.weights
        np.testing.assert_allclose(codes.encode(model, images), through_torch(network, images), rtol=1e-4, atol=1e-5)

    def test_what_the_model_holds(self, network: models.Network, model: store.Model) -> None:
        assert set(model.weights) == set(network.state_dict())
        assert (model.architecture, model.n_components, model.image_size) == ("conv", 4, 32)
        assert model.options == network.options
        assert model.config_toml == "seed = 1\n"
        assert model.card == {"name": "test"}
        assert {"zehn", "torch", "onnxruntime", "numpy", "python"} <= set(model.versions)
        assert model.created.endswith("+00:00")

    def test_statistics_are_of_the_training_codes(self, model: store.Model) -> None:
        vectors = codes.encode(model, random_images(40)).astype(np.float64)
        np.testing.assert_allclose(model.code_mean, vectors.mean(0), rtol=1e-6)
        np.testing.assert_allclose(model.code_covariance, np.cov(vectors.T), rtol=1e-6)

    def test_leaves_the_network_as_it_was(self) -> None:
        network = lived_in().train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        before = copy.deepcopy(network.state_dict())
        codes.from_network(network, random_images(2))
        assert network.training
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())

    def test_the_same_network_gives_the_same_file(self, network: models.Network, model: store.Model) -> None:
        again = codes.from_network(network, random_images(40))
        assert again.fingerprint == model.fingerprint
        assert again.graphs == model.graphs

    def test_float16_is_rounded_before_the_statistics(self, network: models.Network, tmp_path: Path) -> None:
        model = codes.from_network(network, random_images(40), dtype="float16")
        store.save_model(tmp_path / "model.h5", model)
        loaded = store.load_model(tmp_path / "model.h5")
        assert loaded.fingerprint == model.fingerprint
        vectors = codes.encode(loaded, random_images(40))
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(loaded.code_mean, vectors.mean(0), rtol=1e-5)
        expected = through_torch(network, random_images(40))
        assert 0 < np.abs(vectors - expected).max() < 0.01 * np.abs(expected).max()

    def test_is_quiet(self, network: models.Network, capfd: pytest.CaptureFixture[str]) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            codes.from_network(network, random_images(2))
        assert [str(warning.message) for warning in caught] == []
        assert capfd.readouterr() == ("", "")

    def test_a_network_that_went_wrong(self) -> None:
        network = lived_in()
        with torch.no_grad():
            network.encoder.head.bias[0] = torch.nan
        with pytest.raises(TrainingError, match="the codes are no finite numbers: training went wrong"):
            codes.from_network(network, random_images(3))

    def test_too_few_images_for_statistics(self, network: models.Network) -> None:
        with pytest.raises(InputError, match=r"expected at least two training images .*, came 1"):
            codes.from_network(network, random_images(1))

    def test_a_graph_that_computes_something_else(
        self, network: models.Network, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        export = network_module._graph

        def wrong(half: Any, example: Any) -> bytes:
            half.forward = lambda batch: -type(half).forward(half, batch)
            return export(half, example)

        monkeypatch.setattr(network_module, "_graph", wrong)
        with pytest.raises(ModelFileError, match="ONNX graph of the encoder of 'conv' computes something else"):
            codes.from_network(network, random_images(3))


class TestToNetwork:
    def test_is_the_network_that_it_came_from(self, network: models.Network, model: store.Model) -> None:
        again = codes.to_network(model)
        assert not again.training
        for name, value in network.state_dict().items():
            assert torch.equal(again.state_dict()[name], value), name

    def test_float16_comes_back_as_float32(self, model: store.Model) -> None:
        again = codes.to_network(store.with_dtype(model, "float16"))
        assert {value.dtype for value in again.parameters()} == {torch.float32}

    def test_weights_of_another_architecture(self, model: store.Model) -> None:
        weights = {name: value for name, value in model.weights.items() if not name.endswith("head.bias")}
        foreign = store.Model(
            **{**{name: getattr(model, name) for name in model.__dataclass_fields__}, "weights": weights}
        )
        with pytest.raises(ModelFileError, match=r"(?s)weights are not those of architecture 'conv' .*head\.bias"):
            codes.to_network(foreign)


class TestEncode:
    def test_batch_size_does_not_matter(self, model: store.Model) -> None:
        images = random_images(70)
        whole = codes.encode(model, images)
        assert whole.shape == (70, 4)
        assert whole.dtype == np.float32
        for batch_size in (1, 7, 69, 70, 1000):
            np.testing.assert_allclose(codes.encode(model, images, batch_size=batch_size), whole, atol=1e-5)

    def test_is_deterministic(self, model: store.Model) -> None:
        images = random_images(30)
        np.testing.assert_array_equal(codes.encode(model, images), codes.encode(model, images))

    def test_floats_mean_the_same_as_bytes(self, model: store.Model) -> None:
        images = random_images(10)
        whole = codes.encode(model, images)
        for kind in (np.float32, np.float64):
            np.testing.assert_allclose(codes.encode(model, (images / 255).astype(kind)), whole, atol=1e-5)

    def test_floats_are_not_rounded_to_bytes(self, model: store.Model) -> None:
        grey = np.full((1, 32, 32, 3), 0.5, np.float32)
        assert not np.array_equal(codes.encode(model, grey), codes.encode(model, grey + np.float32(1e-4)))

    def test_reads_a_memory_map(self, model: store.Model, tmp_path: Path) -> None:
        images = random_images(10)
        np.save(tmp_path / "images.npy", images)
        mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
        np.testing.assert_array_equal(codes.encode(model, mapped), codes.encode(model, images))

    def test_tells_its_progress(self, model: store.Model) -> None:
        told: list[tuple[str, int, int]] = []
        codes.encode(model, random_images(5), batch_size=2, progress=lambda *fact: told.append(fact))
        assert told == [("encoding", 2, 5), ("encoding", 4, 5), ("encoding", 5, 5)]

    def test_torch_gives_the_same(self, model: store.Model, monkeypatch: pytest.MonkeyPatch) -> None:
        """The way that a GPU takes, taken on the processor."""
        images = random_images(20)
        expected = codes.encode(model, images)
        monkeypatch.setattr(passes, "_pass", lambda of, half, _: passes._torch_pass(of, half, "cpu"))
        np.testing.assert_allclose(codes.encode(model, images), expected, rtol=1e-4, atol=1e-5)
        decoded = codes.decode(model, expected)
        monkeypatch.undo()
        np.testing.assert_allclose(codes.decode(model, expected), decoded, atol=1e-5)

    def test_images_of_another_size(self, model: store.Model) -> None:
        with pytest.raises(InputError, match=r"images of 32 × 32 pixels, .*, came 28 × 28; .*resize_all\(images, 32\)"):
            codes.encode(model, random_images(2, 28))

    @pytest.mark.parametrize(
        ("images", "message"),
        [
            (random_images(1)[0], r"shape \(n, H, W, 3\), came \(32, 32, 3\)"),
            (random_images(1)[:0], "which holds no pixel"),
            (random_images(2).astype(np.int64), "uint8 or as floating point"),
            (np.full((600, 32, 32, 3), 2.0), r"in \[0, 1\], came values"),
            (np.full((1, 32, 32, 3), np.nan), "NaN"),
            ([[1, 2], [3, 4]], "shape"),
        ],
    )
    def test_what_are_no_images(self, model: store.Model, images: Any, message: str) -> None:
        with pytest.raises(InputError, match=message):
            codes.encode(model, images)

    def test_a_bad_value_far_down(self, model: store.Model) -> None:
        images = np.zeros((10, 32, 32, 3), np.float32)
        images[9, 0, 0, 0] = np.nan
        with pytest.raises(InputError, match="NaN"):
            codes.encode(model, images, batch_size=4)

    def test_devices(self, model: store.Model, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(UnknownNameError, match="unknown device 'gpu'"):
            codes.encode(model, random_images(1), device="gpu")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(ConfigError, match=r"device 'cuda' is not there .*; use device 'cpu'"):
            codes.encode(model, random_images(1), device="cuda")
        with pytest.raises(InputError, match="batch_size must be at least 1, came 0"):
            codes.encode(model, random_images(1), batch_size=0)

    def test_graphs_that_do_not_fit(self, model: store.Model) -> None:
        weights = {name: np.zeros(3, np.float32) for name in model.weights}
        for changes in ({"graphs": {"encoder": b"nonsense"}}, {"weights": weights}):
            wrong = dataclasses.replace(model, **changes)
            with pytest.raises(
                ModelFileError, match=r"cannot use the encoder graph of this model .*; upgrade onnxruntime"
            ):
                codes.encode(wrong, random_images(1))

    def test_threads_as_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        assert codes.count_threads() == 3
        for nonsense in ("", "0", "many"):
            monkeypatch.setenv("OMP_NUM_THREADS", nonsense)
            assert codes.count_threads() >= 1

    def test_needs_no_torch(self, model: store.Model, tmp_path: Path) -> None:
        store.save_model(tmp_path / "model.h5", model)
        np.save(tmp_path / "images.npy", random_images(6))
        program = """
import sys
for name in ("torch", "pytorch_lightning", "onnx", "sklearn"):
    sys.modules[name] = None
import numpy as np
from zehn import codes, store
from zehn.errors import MissingExtraError
model = store.load_model("model.h5")
np.save("codes.npy", codes.encode(model, np.load("images.npy")))
codes.decode(model, np.load("codes.npy"))
try:
    codes.to_network(model)
except MissingExtraError as error:
    print(error)
"""
        done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True)
        np.testing.assert_allclose(np.load(tmp_path / "codes.npy"), codes.encode(model, random_images(6)), atol=1e-5)
        assert "needs 'torch', which is not installed; install it with: pip install 'zehn[train]'" in done.stdout


class TestDecode:
    def test_gives_images(self, model: store.Model) -> None:
        images = codes.decode(model, np.zeros((3, 4)), batch_size=2)
        assert images.shape == (3, 32, 32, 3)
        assert images.dtype == np.float32
        assert 0 <= images.min() <= images.max() <= 1

    @pytest.mark.parametrize(
        ("vectors", "message"),
        [
            (np.zeros((2, 5)), r"codes of shape \(n, 4\) for this model \(zehn-.*\), came \(2, 5\)"),
            (np.zeros(4), r"came \(4,\)"),
            (np.zeros((0, 4)), r"came \(0, 4\)"),
            (np.full((1, 4), np.inf), "expected codes that are finite numbers"),
            (np.full((1, 4), "x"), "expected codes that are finite numbers, came <U1"),
        ],
    )
    def test_what_are_no_codes(self, model: store.Model, vectors: Any, message: str) -> None:
        with pytest.raises(InputError, match=message):
            codes.decode(model, vectors)


ENDINGS = [".npz", ".h5", ".parquet"]


class TestFiles:
    @pytest.mark.parametrize("ending", ENDINGS)
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        vectors=hnp.arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(1, 12)), elements=st.floats(width=32)),
        labelled=st.booleans(),
        placed=st.booleans(),
    )
    def test_come_back_as_they_were(
        self, tmp_path: Path, ending: str, vectors: NDArray[np.float32], labelled: bool, placed: bool
    ) -> None:
        n = len(vectors)
        ids, labels = np.arange(n) * 2**40, np.arange(n)[:, None] if labelled else None
        paths = [f"ordner/bild ä{number}.png" for number in range(n)] if placed else None
        path = codes.write(tmp_path / f"codes{ending}", vectors, ids, labels, "zehn-1234", paths=paths)
        came = codes.read(path)
        np.testing.assert_array_equal(came.codes, vectors)
        np.testing.assert_array_equal(came.ids, ids)
        assert came.fingerprint == "zehn-1234"
        assert came.paths == (tuple(paths) if paths is not None else None)
        if labels is None:
            assert came.labels is None
        else:
            np.testing.assert_array_equal(came.labels, labels[:, 0])

    def test_others_can_read_them(self, tmp_path: Path) -> None:
        import pandas as pd

        vectors = np.arange(6, dtype=np.float32).reshape(2, 3)
        for ending in ENDINGS:
            codes.write(tmp_path / f"codes{ending}", vectors, [7, 8], [1, 0], "zehn-1234")
        with np.load(tmp_path / "codes.npz") as file:
            np.testing.assert_array_equal(file["codes"], vectors)
        with h5py.File(tmp_path / "codes.h5") as file:
            np.testing.assert_array_equal(file["codes"], vectors)
        frame = pd.read_parquet(tmp_path / "codes.parquet")
        assert list(frame.columns) == ["id", "label", "code_0", "code_1", "code_2"]
        assert frame["id"].tolist() == [7, 8]

    def test_unknown_ending(self, tmp_path: Path) -> None:
        for attempt in (lambda path: codes.write(path, [[1.0]], [0], None, ""), codes.read):
            with pytest.raises(UnknownNameError, match=r"unknown ending of a file of codes '\.csv'; .*\.parquet"):
                attempt(tmp_path / "codes.csv")

    def test_lengths_that_differ(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="expected as many ids as codes, 2, came 3"):
            codes.write(tmp_path / "codes.npz", np.zeros((2, 3)), [1, 2, 3], None, "")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_damaged(self, tmp_path: Path, ending: str) -> None:
        path = codes.write(tmp_path / f"codes{ending}", np.zeros((50, 3)), np.arange(50), None, "zehn-1")
        data = path.read_bytes()
        for n_left in (0, 3, len(data) // 2, len(data) - 1):
            path.write_bytes(data[:n_left])
            with pytest.raises(DataError, match=r"is damaged or holds no codes .*; make it again with zehn encode"):
                codes.read(path)
        path.unlink()
        with pytest.raises(DataError, match=r"cannot read the codes .*No such file"):
            codes.read(path)

    def test_pickles_are_not_opened(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "codes.npz", codes=np.array([{}], object), ids=[0], fingerprint="x")
        with pytest.raises(DataError, match=r"is damaged or holds no codes .*allow_pickle=False"):
            codes.read(tmp_path / "codes.npz")

    def test_names_of_files_that_are_no_utf8(self, tmp_path: Path) -> None:
        name = os.fsdecode(b"caf\xe9.png")
        for ending in (".npz", ".h5"):
            path = codes.write(tmp_path / f"codes{ending}", [[1.0]], [0], None, "x", paths=[name])
            assert codes.read(path).paths == (name,)

    def test_nothing_outside_an_hdf5_file_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "codes.h5"
        (tmp_path / "secret").write_bytes(np.arange(4, dtype=np.float32).tobytes())
        with h5py.File(tmp_path / "other.h5", "w") as other:
            other["codes"] = np.ones((2, 2), np.float32)

        def external(file: h5py.File) -> None:
            file.create_dataset("codes", (2, 2), "f4", external=[(str(tmp_path / "secret"), 0, 16)])

        def linked(file: h5py.File) -> None:
            file["codes"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/codes")

        def virtual(file: h5py.File) -> None:
            layout = h5py.VirtualLayout((2, 2), "f4")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "codes", (2, 2))
            file.create_virtual_dataset("codes", layout)

        for attack, reason in ((external, "is not stored in"), (linked, "is a link"), (virtual, "is not stored in")):
            with h5py.File(path, "w") as file:
                file.attrs["fingerprint"] = "x"
                file["ids"] = np.arange(2)
                attack(file)
            with pytest.raises(DataError, match=f"is damaged or holds no codes .codes {reason}"):
                codes.read(path)

    def test_an_hdf5_file_that_swells_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "codes.h5"

        def packed(file: h5py.File) -> None:
            file.create_dataset("codes", (10**6, 10), "f4", compression="gzip")

        def claimed(file: h5py.File) -> None:
            layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            layout.set_layout(h5py.h5d.CONTIGUOUS)
            space = h5py.h5s.create_simple((10**9, 10))
            h5py.h5d.create(file.id, b"codes", h5py.h5t.IEEE_F32LE, space, layout)

        def repeated(file: h5py.File) -> None:
            file["codes"] = np.zeros((3, 2), np.float32)
            file.create_dataset("paths", data=["x" * 1000] * 3, dtype=h5py.string_dtype())

        for attack, reason in ((packed, "as it is"), (claimed, "larger than the file"), (repeated, "paths holds")):
            with h5py.File(path, "w") as file:
                file.attrs["fingerprint"] = "x"
                file["ids"] = np.arange(3)
                attack(file)
            with pytest.raises(DataError, match=f"is damaged or holds no codes .*{reason}"):
                codes.read(path)

    def test_an_npz_file_that_swells_or_holds_more_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "codes.npz"
        arrays: dict[str, Any] = {
            "codes": np.zeros((10**6, 1), np.float32),
            "ids": np.arange(10**6),
            "fingerprint": "x",
        }
        np.savez_compressed(path, allow_pickle=False, **arrays)
        with pytest.raises(DataError, match="its arrays together are larger than the file"):
            codes.read(path)
        arrays = {"codes": np.zeros((1, 1), np.float32), "ids": [0], "fingerprint": "x"}
        np.savez(path, allow_pickle=False, **arrays, more=[1])
        with pytest.raises(DataError, match="'more' is none of codes, ids, labels, paths, fingerprint"):
            codes.read(path)
        np.savez(path, allow_pickle=False, **{**arrays, "ids": [0.5]})
        with pytest.raises(DataError, match="ids came as float64"):
            codes.read(path)

    def test_parquet_without_pyarrow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(MissingExtraError, match=r"needs 'pyarrow', .*zehn\[parquet\]"):
            codes.write(tmp_path / "codes.parquet", np.zeros((1, 2)), [0], None, "")
