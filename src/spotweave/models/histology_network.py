"""GR2ST's idea, made testable: the two-tower network, retrieval and head, weighted by what inner folds say."""

from typing import Any, NamedTuple

import numpy as np
import torch

from ..core.histology.retrieval import Retrieved, retrieve, shares
from ..core.histology.shrink import stacking_weights
from ..core.histology.tissue import Tissue
from ..core.train import seeded
from .histology import HistologyNet, Side
from .histology_fit import Towers, embed, fit_histology_net, head
from .histology_linear import LinearPrograms, regress_programs
from .histology_params import HistologyParams
from .histology_sides import make_side
from .histology_training import Answer, Fitted, Training, inner_splits


class Inputs(NamedTuple):
    """How features become what the image tower sees, and programs what the expression tower sees."""

    axes: np.ndarray
    """Principal axes, all divided by one number so that inputs have mean square 1 [2 d, q]. Dividing each by its own
    spread would blow up the small ones, which are mostly noise."""
    spread: np.ndarray
    """Standard deviation of each program [t]."""

    def image(self, tissue: Tissue) -> np.ndarray:
        """Inputs ``[n, q]``."""
        d = tissue.features.shape[1]
        return np.asarray(tissue.features @ self.axes[:d] + tissue.around @ self.axes[d:])

    def expression(self, programs: np.ndarray) -> np.ndarray:
        """Inputs ``[n, t]``."""
        return programs / np.sqrt(self.spread * max(self.spread.mean(), 1e-12))


class Network(NamedTuple):
    """A trained network with its inputs, its bank, and the weights of its answers."""

    inputs: Inputs
    towers: Towers
    programs: np.ndarray
    """Programs of the training spots [m, t]."""
    linear: np.ndarray
    """Coefficients of the linear prediction [2 d, t]."""
    weights: np.ndarray
    """Of the linear prediction, the head and the retrieval for each program [3, t]; 0 for what takes no part."""
    params: HistologyParams

    def __call__(self, tissue: Tissue, types: np.ndarray | None = None) -> Answer:
        """Predict programs of each row, and name the training spots that its image calls for."""
        d = tissue.features.shape[1]
        linear = tissue.features @ self.linear[:d] + tissue.around @ self.linear[d:]
        told, found = _answers(self.towers, self.inputs, self.programs, tissue, types, self.params)
        return Answer(np.einsum("pnt,pt->nt", np.stack([linear, *told]), self.weights), found)

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that restore the predictor."""
        net = {f"net.{key}": value.cpu().numpy() for key, value in self.towers.net.state_dict().items()}
        own = {"axes": self.inputs.axes, "spread": self.inputs.spread, "bank": self.towers.bank}
        return {**net, **own, "programs": self.programs, "linear": self.linear, "weights": self.weights}


def network_from_state(
    state: dict[str, np.ndarray], params: HistologyParams, *, device: torch.device | str = "cpu"
) -> Network:
    """Restore what `Network.state` kept, on a device."""
    t = state["programs"].shape[1]
    with seeded(np.random.default_rng(0)):  # weights that are replaced at once need no number of the caller's
        net = HistologyNet(state["axes"].shape[1], t, t, params)
    net.load_state_dict({k.removeprefix("net."): torch.as_tensor(v) for k, v in state.items() if k.startswith("net.")})
    inputs = Inputs(state["axes"], state["spread"])
    return Network(
        inputs,
        Towers(net.to(device).eval(), state["bank"]),
        state["programs"],
        state["linear"],
        state["weights"],
        params,
    )


def fit_network(
    training: Training,
    params: HistologyParams,
    *,
    rng: np.random.Generator,
    device: torch.device | str = "cpu",
    progress: bool | None = None,
) -> Fitted:
    """Train the network on all inner folds but one in turn, learn the weights of its answers, then train on all.

    Answers are the linear prediction of programs (closed form), the head on the image's embedding, and the average of
    the retrieved training spots; for each program the weights are those that suited rows left out best
    (`core.histology.shrink.stacking_weights`).

    Parameters
    ----------
    training
        Image, expression, inner folds and, when known, types.
    params
        Settings.
    rng
        Generator.
    device
        Where to train.
    progress
        Show bars; None: the setting.

    Returns
    -------
    Predictor of programs.
    """
    linear = regress_programs(training, n_programs=params.n_programs)
    inputs = _inputs(linear, params)
    scores = linear.programs.scores
    train = _Trainer(training, inputs, scores, params, rng, device, progress)
    told = np.zeros((2, *scores.shape))
    for stay, out in inner_splits(training.fold):
        tissue, types = training.tissue.take(out), _rows(training.types, out)
        told[:, out], _ = _answers(train(stay), inputs, scores[stay], tissue, types, params)
    weights = _weights(np.stack([linear.path.held_out, *told]), scores, params)
    everything = np.arange(len(scores))
    coefficients = linear.basis.axes @ linear.path.coefficients
    network = Network(inputs, train(everything), scores, coefficients, weights, params)
    held_out = np.einsum("pnt,pt->nt", np.stack([linear.path.held_out, *told]), weights)
    return Fitted(network, linear.programs.mean, linear.programs.loadings.T, held_out, _chosen(network, linear))


class _Trainer(NamedTuple):
    """Trains towers on some of the rows."""

    training: Training
    inputs: Inputs
    scores: np.ndarray
    params: HistologyParams
    rng: np.random.Generator
    device: torch.device | str
    progress: bool | None

    def __call__(self, rows: np.ndarray) -> Towers:
        tissue, types = self.training.tissue.take(rows), _rows(self.training.types, rows)
        image = _side(self.inputs.image(tissue), tissue, types, self.params, self.rng)
        expression = _side(self.inputs.expression(self.scores[rows]), tissue, types, self.params, self.rng)
        truth = self.scores[rows] / self.inputs.spread
        return fit_histology_net(
            image,
            expression,
            truth,
            tissue.section,
            self.params,
            rng=self.rng,
            device=self.device,
            progress=self.progress,
        )


def _answers(
    towers: Towers,
    inputs: Inputs,
    programs: np.ndarray,
    tissue: Tissue,
    types: np.ndarray | None,
    params: HistologyParams,
) -> tuple[np.ndarray, Retrieved]:
    """Programs by the head and by retrieval ``[2, n, t]``, and what was retrieved."""
    device = towers.net.log_temperature.device
    side = _side(inputs.image(tissue), tissue, types, params, np.random.default_rng(0))
    embedded = embed(towers.net.image, side, device=device)
    unit = embedded / np.maximum(np.linalg.norm(embedded, axis=1, keepdims=True), 1e-12)
    temperature = towers.net.temperature.item()
    found = retrieve(unit, towers.bank, k=params.n_retrieved, weighting=params.retrieval, temperature=temperature)
    averaged = shares(found, len(programs)) @ programs
    return np.stack([head(towers.net, embedded) * inputs.spread, averaged]), found


def _weights(told: np.ndarray, truth: np.ndarray, params: HistologyParams) -> np.ndarray:
    """Weights ``[3, t]`` of linear prediction, head and retrieval, of those that the settings let take part."""
    part = [params.linear, params.predict != "retrieval", params.predict != "head"]
    weights = np.zeros((3, truth.shape[1]))
    weights[part] = stacking_weights(told[part], truth)
    return weights


def _inputs(linear: LinearPrograms, params: HistologyParams) -> Inputs:
    scores = linear.basis.scores[:, : params.n_axes]
    axes = linear.basis.axes[:, : params.n_axes] / max(float(np.sqrt((scores**2).mean())), 1e-12)
    return Inputs(axes, np.maximum(np.sqrt((linear.programs.scores**2).mean(axis=0)), 1e-9))


def _side(
    inputs: np.ndarray, tissue: Tissue, types: np.ndarray | None, params: HistologyParams, rng: np.random.Generator
) -> Side:
    return make_side(inputs, tissue.xy, tissue.section, n_neighs=params.n_neighs, types=types, rng=rng)


def _rows(types: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if types is None else types[rows]


def _chosen(network: Network, linear: LinearPrograms) -> dict[str, Any]:
    names = ("linear", "head", "retrieval")
    return {
        "weights": {name: network.weights[k] for k, name in enumerate(names)},
        "penalties": linear.path.penalties[linear.path.best],
        "temperature": network.towers.net.temperature.item(),
    }
