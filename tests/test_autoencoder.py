from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zehn import datasets, plugins
from zehn.autoencoder import Autoencoder
from zehn.errors import ConfigError, InputError, MissingExtraError, UnknownNameError


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return datasets.load("digits").x_train[:300]


@pytest.fixture(scope="module")
def fitted(images: NDArray[np.uint8]) -> Autoencoder:
    return small(epochs=20).fit(images)


def small(**parameters: Any) -> Autoencoder:
    """Return an autoencoder that is trained in a second or two."""
    settings = {
        "model": {"options": {"widths": (8, 8, 8)}},
        "train": {"batch_size": 32, "objectives": {"reconstruction": 1.0}, "optimizer": "adamw"},
    }
    return Autoencoder("conv", 3, **{"epochs": 1, "device": "cpu", "settings": settings, **parameters})


class TestTraining:
    def test_learns(self, fitted: Autoencoder, images: NDArray[np.uint8]) -> None:
        mean_image = (images / 255).mean(axis=0)
        assert -np.square(images / 255 - mean_image).mean() < fitted.score(images) < 0

    def test_codes_and_images(self, fitted: Autoencoder, images: NDArray[np.uint8]) -> None:
        vectors = fitted.transform(images)
        assert vectors.shape == (300, 3)
        assert vectors.dtype == np.float32
        again = fitted.inverse_transform(vectors)
        assert again.shape == images.shape
        assert again.dtype == np.float32
        assert 0 <= again.min() <= again.max() <= 1

    def test_history_and_card(self, fitted: Autoencoder) -> None:
        history = fitted.history
        assert history is not None
        assert [row["epoch"] for row in history["epochs"]] == list(range(1, 21))
        assert history["epochs"][0]["test"] is None
        assert fitted.model.card["seed"] == 0
        assert fitted.model.card["dataset"] == "300 images"

    def test_the_same_seed_gives_the_same_codes(self, images: NDArray[np.uint8]) -> None:
        first, second, other = (
            small().set_params(random_state=seed).fit_transform(images[:64]) for seed in (np.int64(5), 5, 6)
        )
        np.testing.assert_allclose(first, second, atol=1e-5)
        assert not np.allclose(first, other, atol=1e-3)
        unseeded = small(random_state=None)
        assert not np.allclose(unseeded.fit_transform(images[:64]), unseeded.fit_transform(images[:64]), atol=1e-3)

    def test_labels_are_ignored(self, images: NDArray[np.uint8]) -> None:
        with_labels = small().fit_transform(images[:40], np.arange(40))
        np.testing.assert_allclose(with_labels, small().fit_transform(images[:40]), atol=1e-5)

    def test_floats_are_the_same_images(self, images: NDArray[np.uint8], fitted: Autoencoder) -> None:
        floats = (images[:40] / 255).astype(np.float32)
        np.testing.assert_allclose(fitted.transform(floats), fitted.transform(images[:40]), atol=1e-5)
        np.testing.assert_allclose(small().fit_transform(floats), small().fit_transform(images[:40]), atol=1e-4)

    def test_fewer_images_than_a_batch(self, images: NDArray[np.uint8]) -> None:
        assert small().fit(images[:3]).transform(images).shape == (300, 3)
        with pytest.raises(InputError, match="expected at least 3 images to train on, came 2; give more"):
            small().fit(images[:2])

    @pytest.mark.parametrize("architecture", plugins.names("models"))
    def test_every_architecture(self, architecture: str, images: NDArray[np.uint8]) -> None:
        autoencoder = Autoencoder(architecture, epochs=1).fit(images[:20])
        assert autoencoder.transform(images[:5]).shape == (5, 10)
        assert autoencoder.inverse_transform(np.zeros((2, 10))).shape == (2, 32, 32, 3)

    def test_keeps_its_folder_only_where_asked(self, images: NDArray[np.uint8], tmp_path: Path) -> None:
        rows: list[dict[str, Any]] = []
        small().fit(images[:20], folder=tmp_path, progress=rows.append)
        assert (tmp_path / "checkpoints" / "best.ckpt").is_file()
        assert rows

    def test_without_torch(self, images: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "torch", None)
        with pytest.raises(MissingExtraError, match=r"needs 'torch', .* pip install 'zehn\[train\]'"):
            small().fit(images)

    def test_interrupted(self, images: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("zehn.train.train", lambda *_, **__: {"interrupted": True})
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            small().fit(images)


class TestWrongUse:
    @pytest.mark.parametrize("action", ["transform", "inverse_transform", "score", "save"])
    def test_before_fit(self, action: str, images: NDArray[np.uint8], tmp_path: Path) -> None:
        given = {"inverse_transform": np.zeros((1, 3)), "save": tmp_path / "model.h5"}.get(action, images)
        with pytest.raises(InputError, match=r"not trained yet; call fit\(images\), or use Autoencoder\.load"):
            getattr(small(), action)(given)
        with pytest.raises(InputError, match="not trained yet"):
            small().encoder(images)

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"n_components": 0}, r"model\.n_components must be at least 2, came 0"),
            ({"n_components": 513}, r"model\.n_components must be at most 512, came 513"),
            ({"image_size": 8}, r"data\.image_size must be at least 28, came 8"),
            ({"architecture": "residul"}, "unknown model 'residul'; did you mean 'residual'"),
            ({"preset": "fast"}, "unknown preset 'fast'"),
            ({"epochs": -1}, r"train\.epochs must be at least 0, came -1"),
            ({"epochs": 1.5}, "expected int, came 1.5"),
            ({"settings": {"train": {"epoch": 1}}}, "unknown .*'epoch'; did you mean 'epochs'"),
            ({"settings": {"trian": {}}}, "unknown section of settings 'trian'; did you mean 'train'"),
            ({"settings": {"train": 3}}, r"settings\['train'\] must be a mapping from names to values, came 3"),
            ({"random_state": -1}, "random_state must be a whole number from 0 to 4294967295 or None, came -1"),
            ({"random_state": 0.5}, "random_state must be a whole number"),
        ],
    )
    def test_parameters(self, parameters: dict[str, Any], message: str, images: NDArray[np.uint8]) -> None:
        autoencoder = Autoencoder(epochs=1).set_params(**parameters)
        with pytest.raises(ConfigError, match=message):
            autoencoder.fit(images)
        assert not autoencoder.__sklearn_is_fitted__()

    def test_images(self, fitted: Autoencoder, images: NDArray[np.uint8]) -> None:
        wrong = {
            r"came \(300, 32, 32, 1\)": images[..., :1],
            "uint8 or as floating point": images.astype(np.int32),
            "came values from 0 to 2": images.astype(np.float32),
            "NaN": np.full((3, 32, 32, 3), np.nan),
            "which holds no pixel": images[:0],
            r"32 × 32 pixels.*came 16 × 32.*resize_all\(images, 32\)": images[:, :16],
        }
        for message, given in wrong.items():
            for action in (fitted.transform, small().fit, fitted.score):
                with pytest.raises(InputError, match=message):
                    action(given)

    def test_codes(self, fitted: Autoencoder) -> None:
        with pytest.raises(InputError, match=r"expected codes of shape \(n, 3\) .*, came \(2, 10\)"):
            fitted.inverse_transform(np.zeros((2, 10)))


class TestSaving:
    def test_comes_back(self, fitted: Autoencoder, images: NDArray[np.uint8], tmp_path: Path) -> None:
        fitted.save(tmp_path / "model.h5")
        loaded = Autoencoder.load(tmp_path / "model.h5")
        np.testing.assert_array_equal(loaded.transform(images), fitted.transform(images))
        assert loaded.model.fingerprint == fitted.model.fingerprint
        assert loaded.history == fitted.history
        assert (loaded.architecture, loaded.n_components, loaded.image_size) == ("conv", 3, 32)

    def test_can_be_trained_again_alike(self, images: NDArray[np.uint8], tmp_path: Path) -> None:
        first = small(random_state=3).fit(images[:40])
        first.save(tmp_path / "model.h5")
        again = Autoencoder.load(tmp_path / "model.h5", device="cpu").fit(images[:40])
        np.testing.assert_allclose(again.transform(images), first.transform(images), atol=1e-5)

    def test_half_the_size(self, fitted: Autoencoder, images: NDArray[np.uint8], tmp_path: Path) -> None:
        fitted.save(tmp_path / "model.h5", dtype="float16")
        loaded = Autoencoder.load(tmp_path / "model.h5")
        assert loaded.model.fingerprint != fitted.model.fingerprint
        np.testing.assert_allclose(loaded.transform(images), fitted.transform(images), atol=0.02)

    def test_loads_and_encodes_without_torch(
        self, fitted: Autoencoder, images: NDArray[np.uint8], tmp_path: Path
    ) -> None:
        fitted.save(tmp_path / "model.h5")
        np.save(tmp_path / "images.npy", images)
        program = """
import sys
for name in ("torch", "pytorch_lightning", "sklearn", "onnx", "matplotlib"):
    sys.modules[name] = None
import numpy as np
from zehn import Autoencoder
autoencoder = Autoencoder.load("model.h5")
codes = autoencoder.transform(np.load("images.npy"))
assert autoencoder.inverse_transform(codes).shape == (300, 32, 32, 3)
np.save("codes.npy", codes)
"""
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
        np.testing.assert_allclose(np.load(tmp_path / "codes.npy"), fitted.transform(images), atol=1e-5)

    def test_unknown_model(self) -> None:
        with pytest.raises(UnknownNameError, match="unknown model 'cifra10'"):
            Autoencoder.load("cifra10")


class TestHalves:
    def test_three_usable_objects(self, fitted: Autoencoder, images: NDArray[np.uint8]) -> None:
        vectors = fitted.encoder(images)
        np.testing.assert_array_equal(vectors, fitted.transform(images))
        np.testing.assert_array_equal(fitted.decoder(vectors), fitted.inverse_transform(vectors))

    def test_as_torch_modules(self, fitted: Autoencoder, images: NDArray[np.uint8]) -> None:
        import torch

        with torch.no_grad():
            vectors = fitted.encoder.network(torch.from_numpy(images[:4]).permute(0, 3, 1, 2) / 255)
            decoded = fitted.decoder.network(vectors).permute(0, 2, 3, 1).numpy()
        np.testing.assert_allclose(vectors.numpy(), fitted.transform(images[:4]), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(decoded, fitted.inverse_transform(vectors.numpy()), atol=1e-5)


class TestScikitLearn:
    def test_parameters(self) -> None:
        autoencoder = Autoencoder(n_components=5)
        assert autoencoder.get_params()["n_components"] == 5
        assert autoencoder.set_params(epochs=4, architecture="dense") is autoencoder
        assert autoencoder.get_params() == Autoencoder("dense", 5, epochs=4).get_params()
        assert repr(autoencoder) == "Autoencoder(architecture='dense', n_components=5, epochs=4)"
        assert repr(Autoencoder()) == "Autoencoder()"
        with pytest.raises(UnknownNameError, match="unknown parameter of Autoencoder 'epoch'; did you mean 'epochs'"):
            autoencoder.set_params(epoch=3)

    def test_clone_and_check_is_fitted(self, fitted: Autoencoder) -> None:
        from sklearn.base import clone
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted

        copied = clone(fitted)
        assert copy.deepcopy(fitted).model.fingerprint == fitted.model.fingerprint
        assert copied.get_params() == fitted.get_params()
        check_is_fitted(fitted)
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            check_is_fitted(copied)

    def test_in_a_pipeline(self, images: NDArray[np.uint8]) -> None:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        pipeline = make_pipeline(small(), StandardScaler())
        vectors = pipeline.fit(images[:40]).transform(images[:40])
        np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=1e-5)
        again = pipeline.inverse_transform(vectors)
        assert again.shape == (40, 32, 32, 3)
        assert "Autoencoder" in repr(pipeline)

    def test_in_a_search(self, images: NDArray[np.uint8]) -> None:
        from sklearn.model_selection import GridSearchCV

        search = GridSearchCV(small(), {"n_components": [2, 3]}, cv=2).fit(images[:40])
        assert search.best_params_["n_components"] in (2, 3)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
