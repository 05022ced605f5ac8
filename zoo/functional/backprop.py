"""Backward passes derived by hand, each beside its forward pass.

    y = f(x, w)                      the forward pass
    dy = dL/dy                       the residual that comes from above
    dx = (df/dx)^T dy,  dw = (df/dw)^T dy        what the backward pass gives

Every `f` here is a `jax.custom_vjp`: `jax.grad` through it runs the equations of its
docstring, not those that JAX would derive, and the tests hold one to the other. The
layers also show their backward pass as a function, `f_backward`, so that a network can
be trained without `jax.grad`: experiments/backprop_by_hand.py. A second derivative
differentiates the equations; forward mode (`jax.jvp`, `jax.hessian`) is refused by JAX
for functions with a rule of this kind.

    backprop_layers      dense, sigmoid, softmax_cross_entropy, batch_norm
    backprop_images      conv, mean_pool, max_pool, lp_pool
    backprop_recurrent   rnn, lstm, gru: through time, with one matmul for the gradient
                         of a weight over all steps

References:
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating
    errors", Nature 1986, https://doi.org/10.1038/323533a0
"""

from zoo.functional.backprop_images import conv as conv
from zoo.functional.backprop_images import conv_backward as conv_backward
from zoo.functional.backprop_images import lp_pool as lp_pool
from zoo.functional.backprop_images import lp_pool_backward as lp_pool_backward
from zoo.functional.backprop_images import max_pool as max_pool
from zoo.functional.backprop_images import max_pool_backward as max_pool_backward
from zoo.functional.backprop_images import mean_pool as mean_pool
from zoo.functional.backprop_images import mean_pool_backward as mean_pool_backward
from zoo.functional.backprop_layers import batch_norm as batch_norm
from zoo.functional.backprop_layers import batch_norm_backward as batch_norm_backward
from zoo.functional.backprop_layers import dense as dense
from zoo.functional.backprop_layers import dense_backward as dense_backward
from zoo.functional.backprop_layers import sigmoid as sigmoid
from zoo.functional.backprop_layers import sigmoid_backward as sigmoid_backward
from zoo.functional.backprop_layers import (
    softmax_cross_entropy as softmax_cross_entropy,
)
from zoo.functional.backprop_layers import (
    softmax_cross_entropy_backward as softmax_cross_entropy_backward,
)
from zoo.functional.backprop_recurrent import gru as gru
from zoo.functional.backprop_recurrent import lstm as lstm
from zoo.functional.backprop_recurrent import rnn as rnn
