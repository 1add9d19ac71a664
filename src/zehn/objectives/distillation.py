"""Distillation: a small encoder learns the codes of a larger one that was trained without labels.

``regression`` makes the student's codes (or features) the teacher's own, averaged over each image and its mirror image
unless that is switched off.
``relational`` lets the student arrange a batch as the teacher does, whatever their widths: the cross-entropy between
their distributions over neighbours, as in SEED (Fang et al., arXiv 2101.04731) with the batch for a queue and, as in
t-SNE, a Cauchy kernel on the student's codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zehn.errors import ConfigError
from zehn.models import Network
from zehn.objectives import Step
from zehn.objectives._checks import SOURCES, check_above, check_choice
from zehn.objectives._kernels import cosines, squared_distances, student_t, unexplained
from zehn.objectives._precision import in_float32
from zehn.objectives._teacher import Teacher


@dataclass(frozen=True)
class Options:
    """Options of distillation."""

    teacher: str = ""
    """The model to learn from: a name or the path of its HDF5 file."""
    source: str = "codes"
    """What of the teacher is learnt: its ``codes`` or its ``features``."""
    form: str = "regression"
    """``regression`` or ``relational``."""
    mirror: bool = True
    """Whether the teacher's codes are averaged over an image and its mirror image; else they are those of the image."""
    view: str = "clean"
    """What the student sees: the ``clean`` image, as the teacher does, or each ``augmented`` view of it."""
    temperature: float = 0.1
    """Of the teacher's cosines, where its features are learnt relationally."""

    def __post_init__(self) -> None:
        """Refuse a distillation without a teacher."""
        if not self.teacher:
            raise ConfigError("distillation needs a teacher; name a model, such as teacher = 'cifar10'")
        check_above(self, temperature=0)
        check_choice("source", self.source, SOURCES)
        check_choice("form", self.form, ("regression", "relational"))
        check_choice("view", self.view, ("clean", "augmented"))


class Objective(nn.Module):
    """How far the student's codes are from the teacher's, or its neighbourhoods from the teacher's."""

    def __init__(self, network: Network, options: Options, teacher: Network) -> None:
        super().__init__()
        _check_fit(network, teacher, options)
        self.options = options
        self.teacher = Teacher(teacher, options.source, mirror=options.mirror)
        adapts = options.form == "regression" and options.source == "features"
        self.adapter = nn.Linear(network.encoder.n_features, self.teacher.width) if adapts else None

    def forward(self, step: Step) -> Tensor:
        """Return the loss of one step, a scalar."""
        taught, options = step.gather(self.teacher(step.images)), self.options
        losses = []
        for seen in self._students(step):
            if options.form == "regression":
                losses.append(unexplained(seen, taught))
            else:
                losses.append(relational(seen, taught_similarities(taught, options.source, options.temperature)))
        return torch.stack(losses).mean()

    def _students(self, step: Step) -> list[Tensor]:
        """Return what the student gives for the clean images, or for each view."""
        clean = self.options.view == "clean"
        if self.adapter is not None:
            features = step.features[None] if clean else step.view_features
            return list(self.adapter(features))
        return list(step.codes[None] if clean else step.view_codes)


@in_float32
def taught_similarities(taught: Float[Tensor, "n d"], source: str, temperature: float) -> Float[Tensor, "n n"]:
    """Return the teacher's log-similarities: a Cauchy kernel of codes, cosines over a temperature of features."""
    if source == "codes":
        return student_t(squared_distances(taught, taught))
    return cosines(taught, taught) / temperature


@in_float32
def relational(codes: Float[Tensor, "n d"], similarities: Float[Tensor, "n n"]) -> Float[Tensor, ""]:
    """Return the cross-entropy between the teacher's and the student's distributions over the other images."""
    itself = torch.eye(len(codes), dtype=torch.bool, device=codes.device)
    if len(codes) == 1:
        return codes.sum() * 0
    wanted = similarities.masked_fill(itself, -torch.inf).softmax(dim=1)
    found = student_t(squared_distances(codes, codes)).masked_fill(itself, -torch.inf).log_softmax(dim=1)
    return -(wanted * found.masked_fill(itself, 0)).sum(dim=1).mean()


def _check_fit(network: Network, teacher: Network, options: Options) -> None:
    if network.image_size != teacher.image_size:
        raise ConfigError(
            f"the teacher sees images of {teacher.image_size} pixels and the student of {network.image_size}; "
            "give both the same data.image_size"
        )
    same = network.n_components == teacher.n_components
    if options.form == "regression" and options.source == "codes" and not same:
        raise ConfigError(
            f"the teacher's codes have {teacher.n_components} components and the student's {network.n_components}; "
            "give both the same model.n_components or set form to relational"
        )
