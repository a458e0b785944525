"""MAP-EM of a mixture of multivariate Student t, from sums over row chunks."""

from typing import NamedTuple

import numpy as np

from .student import log_normaliser, log_one_plus, solve_dofs, squared_distances

CHUNK = 65_536  # rows times components in work at a time: four such arrays stay in the cache
DEAD = 1e-8  # rows; a component that holds fewer, after the prior's share, is removed
FLOOR = 1e-6  # least scale in units of the prior's: without a prior, equal rows would send the likelihood to infinity


class Student(NamedTuple):
    """Parameters of a mixture."""

    means: np.ndarray
    """[k, d]."""
    covariances: np.ndarray
    """Scale matrices: diagonals [k, d], or one for all [1, d, d]."""
    weights: np.ndarray
    """[k]."""
    dofs: np.ndarray
    """[k]."""


class Prior(NamedTuple):
    r"""Dirichlet on the weights, normal-inverse-gamma (or -Wishart) on mean and scale, each in units of rows.

    The log density, without what no parameter changes, is for each component (`tied`: the scale once for all)

    .. math:: (\alpha_0 - 1)\log\pi_k - \tfrac{\rho_0}{2}\log|\Sigma_k| - \tfrac{\rho_0 s_0}{2} tr\,\Sigma_k^{-1}
        - \tfrac{[\kappa_0 > 0]}{2}\log|\Sigma_k| - \tfrac{\kappa_0}{2}\mu_k^T\Sigma_k^{-1}\mu_k

    with means counted from the centre of the data: as if each component had held :math:`\kappa_0` rows at the centre
    and :math:`\rho_0` more that knew of its scale only, with mean square :math:`s_0`. Zero rows: flat.
    """

    concentration: float
    """Dirichlet parameter; 1 is flat, below 1 removes components with fewer than 1 - concentration rows."""
    mean_rows: float
    scale_rows: float
    scale: float
    spherical: bool = False
    """The one scale matrix is a multiple of the identity: the prior is inverse-gamma on d times its rows."""


class Sums(NamedTuple):
    """What an M step needs of the rows."""

    evidence: float
    """Log-likelihood."""
    rows: np.ndarray
    """Posterior mass [k]."""
    pull: np.ndarray
    """Mass times expected precision u [k]."""
    first: np.ndarray
    """Sum of u z [k, d]."""
    second: np.ndarray
    """Sum of u z^2 [k, d], or of u z z' over all components [1, d, d]."""
    surplus: np.ndarray
    """Sum of log u - u [k]."""


class Fit(NamedTuple):
    """A run of EM."""

    model: Student
    history: np.ndarray
    """Log-likelihood plus log prior after each step, by total row weight; the last is the model's."""
    pruned: np.ndarray
    """Steps before which a component was removed: `history` may fall there and nowhere else."""
    converged: bool


def em(
    Z: np.ndarray, row_weight: np.ndarray, sums: Sums, model: Student, prior: Prior, *,
    learn: str, n_steps: int, tolerance: float,
) -> Fit:  # fmt: skip
    """Run MAP-EM; every step raises the objective except one that removes a component.

    Components whose weight would fall to zero are removed one at a time, the smallest first, with an E step between,
    since the rows of one often save the next (Figueiredo & Jain 2002, IEEE PAMI 24:381).

    Parameters
    ----------
    Z
        Centred rows ``[n, d]``, float64.
    row_weight
        ``[n]``.
    sums, model
        Start: sums of a first assignment, and a model whose degrees of freedom and kind of covariance hold.
    prior
        See `Prior`.
    learn
        Degrees of freedom to estimate: ``"component"``, ``"shared"``, or ``"fixed"``: none.
    n_steps, tolerance
        Most steps; converged when the objective gains less in one.

    Returns
    -------
    Model and course of the objective.
    """
    total, history, pruned, converged = row_weight.sum(), [-np.inf], [], False
    model = _maximise(sums, model, prior, learn="fixed")
    for step in range(n_steps):
        sums = expect(Z, row_weight, model)
        history.append((sums.evidence + log_prior(model, prior)) / total)
        left = sums.rows + prior.concentration - 1
        dead = len(left) > 1 and left.min() <= DEAD
        if not dead and history[-1] - history[-2] < tolerance and step not in pruned:
            converged = True
            break
        if step == n_steps - 1:
            break
        if dead:
            model = without(model, int(left.argmin()))
            pruned.append(step + 1)
        else:
            model = _maximise(sums, model, prior, learn=learn)
    return Fit(model, np.array(history[1:]), np.array(pruned, int), converged)


def expect(Z: np.ndarray, row_weight: np.ndarray, model: Student) -> Sums:
    """E step: sums over rows, of which a chunk at a time meets all components."""
    return _add([_chunk_sums(Z[c], row_weight[c], model) for c in chunks(len(Z), len(model.weights))])


def assigned(Z: np.ndarray, probability: np.ndarray, *, precision: np.ndarray, tied: bool) -> Sums:
    """Sums of a given assignment ``[n, k]`` (times row weights), with the precision u of each row ``[n]`` given."""
    R = probability * precision[:, None]
    second = (Z.T @ (Z * R.sum(axis=1)[:, None]))[None] if tied else R.T @ Z**2
    rows = probability.sum(axis=0)
    return Sums(-np.inf, rows, R.sum(axis=0), R.T @ Z, second, np.zeros_like(rows))


def posterior(Z: np.ndarray, model: Student) -> tuple[np.ndarray, np.ndarray]:
    """Posterior of each component ``[n, k]`` and log density of each row ``[n]``."""
    probability, evidence = np.empty((len(Z), len(model.weights))), np.empty(len(Z))
    for c in chunks(len(Z), len(model.weights)):
        probability[c], evidence[c], *_ = _posterior(Z[c], model)
    return probability, evidence


def log_prior(model: Student, prior: Prior) -> float:
    """Log density of `Prior`, without constants."""
    k, (m, tied) = len(model.weights), (len(model.covariances), model.covariances.ndim == 3)
    weights = (prior.concentration - 1) * np.log(model.weights).sum()
    if tied:
        inverse = np.linalg.inv(model.covariances[0])
        log_det, trace = np.linalg.slogdet(model.covariances[0])[1], np.trace(inverse)
        square = ((model.means @ inverse) * model.means).sum()
    else:
        log_det, trace = np.log(model.covariances).sum(), (1 / model.covariances).sum()
        square = (model.means**2 / model.covariances).sum()
    counted = prior.scale_rows + (k / m if prior.mean_rows > 0 else 0)  # rows that each scale was seen in
    return float(weights - (counted * log_det + prior.scale_rows * prior.scale * trace + prior.mean_rows * square) / 2)


def without(model: Student, j: int) -> Student:
    """The mixture less component j."""
    tied, weights = model.covariances.ndim == 3, np.delete(model.weights, j)
    covariances = model.covariances if tied else np.delete(model.covariances, j, axis=0)
    return Student(np.delete(model.means, j, axis=0), covariances, weights / weights.sum(), np.delete(model.dofs, j))


def chunks(n: int, k: int) -> list[slice]:
    """Slices of rows that make `CHUNK` numbers with k components."""
    size = max(CHUNK // k, 1)
    return [slice(start, start + size) for start in range(0, n, size)]


def _posterior(Z: np.ndarray, model: Student) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Posterior, log density, distance / dof and log of one plus that; in place, since a step waits for memory."""
    d = Z.shape[1]
    spread = squared_distances(Z, model.means, model.covariances)
    spread /= model.dofs
    stretch = log_one_plus(spread, model.dofs)
    joint = stretch * (-(model.dofs + d) / 2)
    joint += log_normaliser(model.covariances, model.dofs, d) + np.log(model.weights)
    top = joint.max(axis=1, keepdims=True)
    joint -= top
    np.exp(joint, out=joint)
    total = joint.sum(axis=1, keepdims=True)
    joint /= total
    return joint, (top + np.log(total)).ravel(), spread, stretch


def _chunk_sums(Z: np.ndarray, row_weight: np.ndarray, model: Student) -> Sums:
    R, evidence, spread, stretch = _posterior(Z, model)
    R *= row_weight[:, None]
    rows, d = R.sum(axis=0), Z.shape[1]
    surplus = np.log1p(d / model.dofs) * rows - np.einsum("nk,nk->k", R, stretch)
    spread += 1
    R /= spread
    R *= 1 + d / model.dofs  # now times u = (dof + d) / (dof + distance)
    pull = R.sum(axis=0)
    tied = model.covariances.ndim == 3
    second = (Z.T @ (Z * R.sum(axis=1)[:, None]))[None] if tied else R.T @ Z**2
    return Sums(float(row_weight @ evidence), rows, pull, R.T @ Z, second, surplus - pull)


def _add(parts: list[Sums]) -> Sums:
    return Sums(*(sum(column[1:], start=column[0]) for column in zip(*parts, strict=True)))


def _maximise(sums: Sums, model: Student, prior: Prior, *, learn: str) -> Student:
    """M step, each parameter at its maximum."""
    left = np.maximum(sums.rows + prior.concentration - 1, DEAD)
    means = sums.first / np.maximum(sums.pull + prior.mean_rows, DEAD)[:, None]
    dofs = model.dofs
    if learn == "component":
        dofs = solve_dofs(sums.surplus / np.maximum(sums.rows, DEAD), dofs, means.shape[1])
    elif learn == "shared":
        mean = sums.surplus.sum(keepdims=True) / sums.rows.sum()
        dofs = np.repeat(solve_dofs(mean, dofs[:1], means.shape[1]), len(dofs))
    return Student(means, _scales(sums, means, prior), left / left.sum(), dofs)


def _scales(sums: Sums, means: np.ndarray, prior: Prior) -> np.ndarray:
    """Scale matrices at their maximum above `FLOOR`."""
    seen = 1.0 if prior.mean_rows > 0 else 0.0  # a prior on the mean is an observation of the scale
    if sums.second.ndim == 3:  # the maximum over means makes sum u (z - m)(z - m)' + kappa m m' = second - m first'
        scatter = sums.second[0] - means.T @ sums.first
        counted = sums.rows.sum() + prior.scale_rows + seen * len(means)
        if prior.spherical:
            variance = (np.trace(scatter) / len(scatter) + prior.scale_rows * prior.scale) / counted
            return np.eye(len(scatter))[None] * max(variance, FLOOR * prior.scale)
        values, vectors = np.linalg.eigh((scatter + scatter.T) / 2)
        values = np.maximum((values + prior.scale_rows * prior.scale) / counted, FLOOR * prior.scale)
        return ((vectors * values) @ vectors.T)[None]
    scatter = sums.second - means * sums.first + prior.scale_rows * prior.scale
    counted = np.maximum(sums.rows + prior.scale_rows + seen, DEAD)
    return np.maximum(scatter / counted[:, None], FLOOR * prior.scale)
