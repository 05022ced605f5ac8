"""Words to be told from those around them: the task that BERT is trained by.

    chosen        each token with probability c, but for the special ones
    of the chosen 80 % become [MASK], 10 % another token by chance, 10 % stay
    told          what the chosen ones were; the others do not count

As a tenth stays, the network cannot trust any token that it sees, and must make a
picture of each. Chance belongs to the example and the step: a row's choices depend on
its `index` and on the step, and neither on its place in the batch nor on the others.

Shapes: B rows, T tokens, V tokens of the vocabulary.

References:
    Devlin et al., "BERT: pre-training of deep bidirectional transformers for language
    understanding", NAACL 2019, https://arxiv.org/abs/1810.04805 (section 3.1)
"""

import dataclasses
from typing import ClassVar

import numpy as np

from zoo.data.checks import whole_number
from zoo.data.gather import Batch


@dataclasses.dataclass(frozen=True)
class masked:  # used as a function, as `zoo.data.to_float`
    """The transform of rows of tokens into what a network such as BERT is trained by.

    A batch of `tokens`, int [B, T], 0 in the padding, and `index` becomes one of `x`, a
    dict of tokens and mask, `y`, the true tokens, `mask`, bool [B, T], True for those
    that are to be told, and what else there was.

    Args:
        vocabulary: V.
        mask_token: what stands for a token that is hidden.
        special: tokens that are never chosen nor drawn, such as [CLS] and [SEP]; 0 and
            `mask_token` are of them without being named.
        chance: c, from 0 to 1.

    Raises:
        ValueError: a number out of range; no token that could be drawn.
    """

    vocabulary: int
    mask_token: int
    special: tuple[int, ...] = ()
    chance: float = 0.15
    rowwise: ClassVar[bool] = False  # it draws

    def __post_init__(self):
        whole_number("vocabulary", self.vocabulary, 2)
        for token in (self.mask_token, *self.special):
            whole_number("mask_token and special", token, 0, self.vocabulary - 1)
        if not 0 <= self.chance <= 1:
            raise ValueError(f"chance must be from 0 to 1, got {self.chance}")
        if len(self._never()) >= self.vocabulary:
            raise ValueError(
                f"special must leave tokens of the {self.vocabulary} to draw, got "
                f"{self.special}"
            )

    def _never(self) -> list[int]:
        return sorted({0, self.mask_token, *self.special})

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        rest = dict(batch)
        tokens = np.asarray(rest.pop("tokens"))
        step = rng.integers(0, 2**64, dtype=np.uint64)  # one draw, whatever the batch
        each = (
            np.random.Generator(np.random.Philox(key=np.array([step, i], np.uint64)))
            for i in rest["index"].tolist()
        )
        draws = np.stack([one.random((3, tokens.shape[1])) for one in each], 1)
        chosen, kind, other = draws  # [B, T], from 0 to 1
        never = self._never()
        allowed = np.setdiff1d(np.arange(self.vocabulary, dtype=tokens.dtype), never)
        chosen = (chosen < self.chance) & ~np.isin(tokens, never)
        drawn = allowed[(other * len(allowed)).astype(int)]
        seen = np.where(
            kind < 0.8, self.mask_token, np.where(kind < 0.9, drawn, tokens)
        )
        x = {"tokens": np.where(chosen, seen, tokens).astype(np.int32)}
        x["mask"] = tokens != 0
        return {**rest, "x": x, "y": tokens.astype(np.int32), "mask": chosen}
