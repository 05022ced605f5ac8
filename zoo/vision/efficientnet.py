"""EfficientNet-B0: inverted residuals with squeeze-excite, for a given budget.

    x -> unit 3x3/2 -> inverted residuals of seven stages -> unit 1x1 -> mean -> dense

    f(x) = x s(x)                       s the logistic function: swish, or SiLU
    e    = x s(W2 f(W1 mean(x)))        W1 to a quarter of the block's input channels

A stage (t, k, c, n, s) is n blocks with kernels k x k, of c channels, t times as wide
inside; the first has stride s. B0 is the network that a search found at 0.39 G
multiply-adds; the others of the paper are it, deeper and wider at once. Lite0 is for
devices without floats: no squeeze-excite, and f = min(max(., 0), 6).

Outputs by name: stem, stage_1, ..., last, pooled.

Shapes: B examples, H height, W width, C channels, K classes.
Differs from the paper: nothing; in training, branches are left out as in its program,
at a rate that grows from block to block up to 0.2 (`drop_path`).

References:
    Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural
    networks", ICML 2019, https://arxiv.org/abs/1905.11946, table 1
"""

import flax.linen as nn

from zoo.vision.inverted import Chain, InvertedNet, repeated, timm_rules

Stages = tuple[tuple[int, int, int, int, int], ...]
STAGES: Stages = (  # t, k, c, n, s
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)
CIFAR: Stages = tuple((t, k, c, n, 1 if c == 24 else s) for t, k, c, n, s in STAGES)
TINY = dict(  # the size that the tests run
    stages=((1, 3, 8, 1, 1), (2, 5, 8, 2, 2)), stem=8, last=16, stem_stride=2
)
RULES = (  # torchvision's names of blocks that widen, and of the first stage's
    (r"features\.0\.0", "stem_conv"),
    (r"features\.0\.1", "stem_conv_norm"),
    (r"features\.1\.(\d+)\.block\.0\.0", r"stage_1_block_\1/depthwise"),
    (r"features\.1\.(\d+)\.block\.0\.1", r"stage_1_block_\1/depthwise_norm"),
    (r"features\.1\.(\d+)\.block\.1\.fc(\d)", r"stage_1_block_\1/squeeze_\2"),
    (r"features\.1\.(\d+)\.block\.2\.0", r"stage_1_block_\1/project"),
    (r"features\.1\.(\d+)\.block\.2\.1", r"stage_1_block_\1/project_norm"),
    (r"features\.(\d)\.(\d+)\.block\.0\.0", r"stage_\1_block_\2/expand"),
    (r"features\.(\d)\.(\d+)\.block\.0\.1", r"stage_\1_block_\2/expand_norm"),
    (r"features\.(\d)\.(\d+)\.block\.1\.0", r"stage_\1_block_\2/depthwise"),
    (r"features\.(\d)\.(\d+)\.block\.1\.1", r"stage_\1_block_\2/depthwise_norm"),
    (r"features\.(\d)\.(\d+)\.block\.2\.fc(\d)", r"stage_\1_block_\2/squeeze_\3"),
    (r"features\.(\d)\.(\d+)\.block\.3\.0", r"stage_\1_block_\2/project"),
    (r"features\.(\d)\.(\d+)\.block\.3\.1", r"stage_\1_block_\2/project_norm"),
    (r"features\.\d\.0", "last_conv"),
    (r"features\.\d\.1", "last_conv_norm"),
    (r"classifier\.1", "head"),
    *timm_rules(times for times, *_ in STAGES),
)


class EfficientNet(InvertedNet):
    """Classifier of images.

    Attributes:
        num_classes, stem_stride, dropout, drop_path, dtype, axis_name, fast: see
            `InvertedNet`.
        stages: (t, k, c, n, s) each, see above.
        stem: channels of the first convolution.
        last: channels of the last convolution.
        lite: without squeeze-excite, and with min(max(., 0), 6).
    """

    drop_path: float = 0.2
    stages: Stages = STAGES
    stem: int = 32
    last: int = 1280
    lite: bool = False

    @nn.nowrap
    def chain(self) -> Chain:
        act, share = (nn.relu6, 0) if self.lite else (nn.silu, 0.25)
        stages = repeated(
            self.stem,
            [(*stage, share) for stage in self.stages],
            act=act,
            squeeze_act=act,
        )
        return Chain(self.stem, stages, self.last, act)
