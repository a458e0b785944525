"""Mixtures of multivariate Student t: clusters whose tails and outliers are part of the model."""

from typing import Literal, Self

import numpy as np
from scipy.special import xlogy

from .._check import check_choice, check_range, fail
from .student_em import Fit, Prior, Student, Sums, assigned, em, posterior
from .student_start import frame_of, kmeans_starts, plain_kmeans_starts, row_precision

SHORT = 10  # steps after which the starts are compared (emEM: Biernacki et al. 2003, CSDA 41:561)
N_LONG = 2  # starts that are run to the end
START_DOF = 10.0  # near enough to a Gaussian's for clusters to form, far enough for outliers to lose their pull


class StudentMixture:
    r"""Mixture :math:`\sum_k \pi_k\, t_{\nu_k}(\mu_k, \Sigma_k)` fitted by MAP-EM in the log domain.

    Features are centred on their median and scaled by their median absolute deviation first (spherical: all by the
    root mean square of these), so that priors have no unit and the fit is the same in any. Features that are constant
    say nothing and are left out of the density: their means are the constant, their scales zero. Cost is O(n k d) a
    step (tied and spherical: and n d^2).

    Parameters
    ----------
    n_components
        Number of components k, at most n; fewer remain where some fall empty.
    covariance
        ``"diag"``: a diagonal scale matrix for each component; ``"tied"``: one full matrix for all; ``"spherical"``:
        one variance for all features and components, which is k-means with soft and heavy-tailed assignments. Features
        keep their units, which must be comparable: for rows of length one and other embeddings.
    dof
        ``"component"`` or ``"shared"`` degrees of freedom to estimate, within `student.DOF_BOUNDS`; or a number, which
        is held (1e9: Gaussian).
    concentration
        Dirichlet parameter of the weights. 1 is flat; below 1, components with fewer than 1 - concentration rows are
        removed, one at a time.
    mean_rows, scale_rows
        Strength of the normal-inverse-gamma (tied: -Wishart) prior in rows, see `student_em.Prior`: means at the
        median, scales at :math:`K^{-2/d}` of the robust variance (Fraley & Raftery 2007, J. Classif. 24:155). Zero
        for none.
    n_init
        Starts: k-means, by turns of the features as they are and scaled, outliers drawn in (spherical: as they are,
        outliers too). All run ten steps, the best two to the end. Spherical with 20 components on 699 rows of length
        one: 24 starts met the best optimum from 6 seeds of 6 (ARI .84; k-means .75 to .84), six from 4 (else .64).
    max_iter, tol
        Most steps; converged when the objective gains less in one.
    rng
        Draws the seeds of the starts. None: seed 0.

    Attributes
    ----------
    means_, covariances_, weights_, dofs_
        ``[k, d]``; scale matrices ``[k, d]``, tied ``[d, d]``, or one spherical variance ``[]`` (the covariance is
        :math:`\nu/(\nu-2)` times it); ``[k]``; ``[k]``.
    n_components_
        Components that remain.
    objective_history_
        Log-likelihood and log prior, a row's mean, after each step of the best start.
    pruned_
        Steps before which a component was removed: there and nowhere else may the objective fall.
    converged_, n_iter_
        Whether `tol` was met, and steps taken.
    """

    def __init__(
        self,
        n_components: int,
        *,
        covariance: Literal["diag", "tied", "spherical"] = "diag",
        dof: Literal["component", "shared"] | float = "component",
        concentration: float = 1.0,
        mean_rows: float = 0.01,
        scale_rows: float = 1.0,
        n_init: int = 6,
        max_iter: int = 500,
        tol: float = 1e-5,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.n_components, self.covariance, self.dof = n_components, covariance, dof
        self.concentration, self.mean_rows, self.scale_rows = concentration, mean_rows, scale_rows
        self.n_init, self.max_iter, self.tol, self.rng = n_init, max_iter, tol, rng

    def fit(self, Z: np.ndarray, *, sample_weight: np.ndarray | None = None, start: np.ndarray | None = None) -> Self:
        """Fit to rows.

        Parameters
        ----------
        Z
            ``[n, d]``, finite, of any floating type.
        sample_weight
            How many rows each row counts for ``[n]``, not negative. None: one.
        start
            Assignment to start from in place of k-means, for instance of an earlier fit: labels ``[n]``, integers
            from 0 to k - 1, or responsibilities ``[n, k]``.

        Raises
        ------
        InputError
            For NaN, fewer rows than components, only constant features, or weights or a start that do not fit.
        """
        Z = _checked_rows(Z)
        check_range(self.n_components, "n_components", low=1, high=len(Z), integer=True, why="the number of rows")
        self._check_settings()
        row_weight = _checked_weight(sample_weight, len(Z))
        spherical, frame = self.covariance == "spherical", frame_of(Z, row_weight)
        self._frame = frame.with_one_scale() if spherical else frame
        Y = self._frame.scaled(Z)
        scale = float(self.n_components) ** (-2 / Y.shape[1])
        prior = Prior(self.concentration, self.mean_rows, self.scale_rows, scale, spherical)
        if start is not None:
            start = _checked_start(start, len(Z), self.n_components)
        self._store(self._best(Y, row_weight, self._starts(Y, row_weight, start), prior))
        return self

    def predict_proba(self, Z: np.ndarray) -> np.ndarray:
        """Posterior of each component ``[n, k]``; rows sum to one."""
        return self._posterior(Z)[0]

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Likeliest component of each row ``[n]``."""
        return self._posterior(Z)[0].argmax(axis=1)

    def score_samples(self, Z: np.ndarray) -> np.ndarray:
        """Log density of each row ``[n]``, in the units of the features."""
        return self._posterior(Z)[1]

    def bic(self, Z: np.ndarray, *, sample_weight: np.ndarray | None = None) -> float:
        """Bayesian information criterion, less is better; rows count by their weight."""
        row_weight = _checked_weight(sample_weight, len(Z))
        return float(-2 * row_weight @ self.score_samples(Z) + self.n_parameters * np.log(row_weight.sum()))

    def icl(self, Z: np.ndarray, *, sample_weight: np.ndarray | None = None) -> float:
        """BIC plus twice the entropy of the posteriors: clusters that overlap count less (Biernacki et al. 2000)."""
        probability = self.predict_proba(Z)
        row_weight = _checked_weight(sample_weight, len(Z))
        return self.bic(Z, sample_weight=sample_weight) - 2 * float(row_weight @ xlogy(probability, probability).sum(1))

    @property
    def n_parameters(self) -> int:
        """Number of free parameters of the fitted mixture."""
        k, d = self.n_components_, self._model.means.shape[1]
        scales = {"diag": k * d, "tied": d * (d + 1) // 2, "spherical": 1}[self.covariance]
        return k - 1 + k * d + scales + {"component": k, "shared": 1}.get(str(self.dof), 0)

    def _check_settings(self) -> None:
        check_choice(self.covariance, ["diag", "tied", "spherical"], "covariance")
        if isinstance(self.dof, str):
            check_choice(self.dof, ["component", "shared"], "dof")
        else:
            check_range(self.dof, "dof", low=0.1, high=1e12)
        check_range(self.mean_rows, "mean_rows", low=0, high=1e12)
        check_range(self.scale_rows, "scale_rows", low=0, high=1e12)
        check_range(self.n_init, "n_init", low=1, high=10_000, integer=True)
        check_range(self.max_iter, "max_iter", low=1, high=1_000_000, integer=True)

    def _starts(self, Y: np.ndarray, row_weight: np.ndarray, start: np.ndarray | None) -> list[Sums]:
        k, tied = self.n_components, self.covariance != "diag"
        if start is not None:
            return [assigned(Y, start * row_weight[:, None], precision=np.ones(len(Y)), tied=tied)]
        rng = np.random.default_rng(0) if self.rng is None else self.rng
        if self.covariance == "spherical":
            labels = plain_kmeans_starts(Y, k, row_weight=row_weight, n_starts=self.n_init, rng=rng)
            precision = np.ones(len(Y))
        else:
            labels = kmeans_starts(Y, self._frame, k, row_weight=row_weight, n_starts=self.n_init, rng=rng)
            precision = row_precision(Y)
        hard = np.eye(k)
        return [assigned(Y, hard[each] * row_weight[:, None], precision=precision, tied=tied) for each in labels]

    def _best(self, Y: np.ndarray, row_weight: np.ndarray, starts: list[Sums], prior: Prior) -> Fit:
        if len(starts) > N_LONG:
            flat = prior._replace(concentration=max(prior.concentration, 1.0))  # fits of unequal k do not compare
            short = [self._run(Y, row_weight, sums, flat, n_steps=SHORT).history[-1] for sums in starts]
            starts = [starts[j] for j in np.argsort(short, kind="stable")[: -N_LONG - 1 : -1]]
        runs = [self._run(Y, row_weight, sums, prior, n_steps=self.max_iter) for sums in starts]
        cost = (1 - prior.concentration) * np.log(row_weight.sum()) / row_weight.sum()  # of shares written as counts
        return max(runs, key=lambda fit: fit.history[-1] - cost * len(fit.model.weights))

    def _run(self, Y: np.ndarray, row_weight: np.ndarray, sums: Sums, prior: Prior, *, n_steps: int) -> Fit:
        k, d, tied = len(sums.rows), Y.shape[1], self.covariance != "diag"
        learn = self.dof if isinstance(self.dof, str) else "fixed"
        dofs = np.full(k, START_DOF if isinstance(self.dof, str) else float(self.dof))
        model = Student(np.zeros((k, d)), np.ones((1, d, d) if tied else (k, d)), np.full(k, 1 / k), dofs)
        return em(Y, row_weight, sums, model, prior, learn=learn, n_steps=n_steps, tolerance=self.tol)

    def _store(self, fit: Fit) -> None:
        """Keep the parameters in the units of the features."""
        frame, model = self._frame, fit.model
        k, d = len(model.weights), len(frame.centre)
        self._model = model
        self.means_ = np.tile(frame.centre, (k, 1))
        self.means_[:, frame.varies] += model.means * frame.scale
        if self.covariance == "spherical":
            self.covariances_ = np.asarray(model.covariances[0][0, 0] * frame.scale[0] ** 2)
        elif self.covariance == "tied":
            self.covariances_ = np.zeros((d, d))
            self.covariances_[np.ix_(frame.varies, frame.varies)] = model.covariances[0] * np.outer(*[frame.scale] * 2)
        else:
            self.covariances_ = np.zeros((k, d))
            self.covariances_[:, frame.varies] = model.covariances * frame.scale**2
        self.weights_, self.dofs_, self.n_components_ = model.weights, model.dofs, k
        self.objective_history_, self.pruned_ = fit.history - frame.log_volume, fit.pruned
        self.converged_, self.n_iter_ = fit.converged, len(fit.history)

    def _posterior(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not hasattr(self, "_model"):
            raise fail("a fitted mixture", "one that is not", "Call `fit` first.")
        Z = _checked_rows(Z)
        if Z.shape[1] != len(self._frame.centre):
            raise fail(f"the {len(self._frame.centre)} features of the fit", f"{Z.shape[1]}")
        probability, evidence = posterior(self._frame.scaled(Z), self._model)
        return probability, evidence - self._frame.log_volume


def _checked_rows(Z: np.ndarray) -> np.ndarray:
    Z = np.asarray(Z, np.float64)
    if Z.ndim != 2 or 0 in Z.shape:
        raise fail("features of shape [n, d]", f"shape {list(Z.shape)}")
    if not np.isfinite(Z).all():
        raise fail("finite features", f"NaN or infinity in {(~np.isfinite(Z).all(axis=1)).sum()} of {len(Z)} rows")
    return Z


def _checked_weight(sample_weight: np.ndarray | None, n: int) -> np.ndarray:
    if sample_weight is None:
        return np.ones(n)
    row_weight = np.asarray(sample_weight, np.float64)
    if row_weight.shape != (n,) or not np.isfinite(row_weight).all() or (row_weight < 0).any() or not row_weight.any():
        raise fail(f"{n} weights of rows, finite, none negative, not all zero", f"shape {list(row_weight.shape)}")
    return row_weight


def _checked_start(start: np.ndarray, n: int, k: int) -> np.ndarray:
    """Responsibilities ``[n, k]``, of labels too."""
    start = np.asarray(start)
    if start.shape == (n,) and np.issubdtype(start.dtype, np.integer):
        if start.min() < 0 or start.max() >= k:
            raise fail(f"labels from 0 to {k - 1}", f"labels from {start.min()} to {start.max()}")
        return np.eye(k)[start]
    if start.shape != (n, k) or not np.isfinite(start).all() or (start < 0).any():
        expected = f"a start of shape [{n}, {k}], finite, none negative, or integer labels of shape [{n}]"
        raise fail(expected, f"{start.dtype} of shape {list(start.shape)}")
    return start.astype(np.float64)
