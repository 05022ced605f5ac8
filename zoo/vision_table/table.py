"""All rows of image classifiers; `zoo.catalog` has them with those of other models."""

from zoo.row import Row
from zoo.vision_table.classic import CLASSIC
from zoo.vision_table.dense import DENSE
from zoo.vision_table.mobile import MOBILE
from zoo.vision_table.moving import MOVING
from zoo.vision_table.residual import RESIDUAL
from zoo.vision_table.searched import SEARCHED
from zoo.vision_table.tokens import TOKENS

VISION: dict[str, Row] = {
    **CLASSIC,
    **RESIDUAL,
    **DENSE,
    **MOBILE,
    **TOKENS,
    **MOVING,
    **SEARCHED,
}
