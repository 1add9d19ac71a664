"""The same residual autoencoder (strided convolutions, ten numbers in the middle) in Keras and in plain PyTorch.

Layer by layer that of ``zehn/models/residual.py`` with its default options; the number of weights is compared before
anything is timed. Neither file knows of Zehn: this is what someone writes who has one framework and a day.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

WIDTHS, N_HIDDEN, N_COMPONENTS, GROUP = (32, 64, 128), 256, 10, 16
LEARNING_RATE = 1e-3
BATCH = 256


def by_keras() -> Any:
    """Return a compiled Keras model of images (n, 32, 32, 3) in [0, 1], and its encoder."""
    import keras
    from keras import layers

    def norm(width: int) -> Any:
        return layers.GroupNormalization(max(1, width // GROUP), epsilon=1e-5)

    def conv(width: int, size: int = 3, strides: int = 1) -> Any:
        return layers.Conv2D(width, size, strides=strides, padding="same")

    class Gain(layers.Layer):  # type: ignore[misc, name-defined]
        def build(self, shape: Any) -> None:
            self.gain = self.add_weight(shape=(shape[-1],), initializer=keras.initializers.Constant(0.5))

        def call(self, x: Any) -> Any:
            return x * self.gain

    def block(x: Any, width: int) -> Any:
        y = layers.Activation("silu")(norm(width)(x))
        y = layers.Activation("silu")(conv(width)(y))
        return layers.Add()([x, Gain()(conv(width)(y))])

    def fold(x: Any, side: int, width: int) -> Any:
        y = layers.Reshape((side // 2, 2, side // 2, 2, width))(x)
        return layers.Reshape((side // 2, side // 2, 4 * width))(layers.Permute((1, 3, 5, 2, 4))(y))

    def unfold(x: Any, side: int, width: int) -> Any:
        y = layers.Reshape((side, side, width, 2, 2))(x)
        return layers.Reshape((2 * side, 2 * side, width))(layers.Permute((1, 4, 2, 5, 3))(y))

    images = keras.Input((32, 32, 3))
    x = conv(WIDTHS[0])(fold(layers.Rescaling(4.0, -2.0)(images), 32, 3))
    x = block(x, WIDTHS[0])
    for width, wider in pairwise(WIDTHS):
        x = block(conv(wider, strides=2)(layers.Activation("silu")(norm(width)(x))), wider)
    x = layers.Flatten()(layers.Activation("silu")(norm(WIDTHS[-1])(x)))
    codes = layers.Dense(N_COMPONENTS)(x)
    y = layers.Dense(N_HIDDEN, "silu")(codes)
    y = layers.Reshape((4, 4, WIDTHS[-1]))(layers.Dense(WIDTHS[-1] * 16)(y))
    y = block(y, WIDTHS[2])
    y = unfold(conv(4 * WIDTHS[1], 1)(layers.Activation("silu")(norm(WIDTHS[2])(y))), 4, WIDTHS[1])
    y = block(y, WIDTHS[1])
    y = unfold(conv(4 * WIDTHS[0], 1)(layers.Activation("silu")(norm(WIDTHS[1])(y))), 8, WIDTHS[0])
    y = conv(12)(layers.Activation("silu")(norm(WIDTHS[0])(y)))
    again = layers.Activation("sigmoid")(unfold(y, 16, 3))
    model = keras.Model(images, again)
    model.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), loss="mse")
    return model, keras.Model(images, codes)


def by_torch() -> tuple[Any, Any]:
    """Return encoder and decoder as PyTorch modules of images (n, 3, 32, 32) in [0, 1]."""
    from torch import Tensor, full, nn

    class Block(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.branch = nn.Sequential(
                norm(width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
                nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
            )  # fmt: skip
            self.gain = nn.Parameter(full((width, 1, 1), 0.5))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.gain * self.branch(x)

    class Centre(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 4 * x - 2

    def norm(width: int) -> nn.Module:
        return nn.GroupNorm(max(1, width // GROUP), width)

    small, middle, large = WIDTHS
    encoder = nn.Sequential(
        Centre(), nn.PixelUnshuffle(2), nn.Conv2d(12, small, 3, padding=1), Block(small),
        norm(small), nn.SiLU(), nn.Conv2d(small, middle, 3, stride=2, padding=1), Block(middle),
        norm(middle), nn.SiLU(), nn.Conv2d(middle, large, 3, stride=2, padding=1), Block(large),
        norm(large), nn.SiLU(), nn.Flatten(), nn.Linear(large * 16, N_COMPONENTS),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Linear(N_COMPONENTS, N_HIDDEN), nn.SiLU(), nn.Linear(N_HIDDEN, large * 16), nn.Unflatten(1, (large, 4, 4)),
        Block(large), norm(large), nn.SiLU(), nn.Conv2d(large, 4 * middle, 1), nn.PixelShuffle(2),
        Block(middle), norm(middle), nn.SiLU(), nn.Conv2d(middle, 4 * small, 1), nn.PixelShuffle(2),
        norm(small), nn.SiLU(), nn.Conv2d(small, 12, 3, padding=1), nn.PixelShuffle(2), nn.Sigmoid(),
    )  # fmt: skip
    return encoder, decoder
