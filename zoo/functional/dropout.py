"""Dropout whose mask belongs to the example, not to its place in the batch.

    y_i = x_i m_i / (1 - p),   m_i ~ Bernoulli(1 - p) from fold_in(key, index_i)

linen's layer draws one mask for the whole batch, so the mask of an example would
change with the number of devices among which the batch is cut.

Shapes: B examples.

References:
    Srivastava et al., "Dropout: a simple way to prevent neural networks from
    overfitting", JMLR 2014, https://jmlr.org/papers/v15/srivastava14a.html
    (scaled in training, not in use)
    Huang, Sun, Liu, Sedra and Weinberger, "Deep networks with stochastic depth", ECCV
    2016, https://arxiv.org/abs/1603.09382 (whole)
"""

import flax.linen as nn
import jax
import jax.numpy as jnp


class Dropout(nn.Module):
    """Zeroes each value with a probability, in training.

    Attributes:
        rate: the probability p, in [0, 1).
        whole: an example is kept or zeroed as one: one draw for all of its values. Of a
            branch beside a shortcut this is stochastic depth, or drop path.

    Called with `index`, the global numbers of the examples, int [B]; without it an
    example's number is its place in the batch.

    Raises:
        ValueError: when called: a rate outside [0, 1); an index that is not [B].
    """

    rate: float
    whole: bool = False

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, ...] -> [B, ...]
        if not 0 <= self.rate < 1:
            raise ValueError(f"rate must be in [0, 1), got {self.rate}")
        if not train or self.rate == 0:
            return x
        index = jnp.arange(len(x)) if index is None else index
        if index.shape != x.shape[:1]:
            raise ValueError(
                f"index must be one number for each of the {len(x)} examples, "
                f"got shape {index.shape}"
            )
        key = self.make_rng("dropout")
        keep = 1 - self.rate
        shape = (1,) * (x.ndim - 1) if self.whole else x.shape[1:]
        mask = jax.vmap(lambda key: jax.random.bernoulli(key, keep, shape))(
            example_keys(key, index)
        )
        return jnp.where(mask, x / keep, jnp.zeros((), x.dtype))


def example_keys(key: jax.Array, index: jax.Array) -> jax.Array:
    """A key for each example, the same wherever the example is computed.

    Args:
        key: of the step (and, in a layer, of the layer).
        index: global numbers of the examples, int [B].

    Returns:
        Keys, [B].
    """
    return jax.vmap(lambda i: jax.random.fold_in(key, i))(index)
