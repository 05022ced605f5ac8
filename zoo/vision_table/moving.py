"""Rows of networks that choose where they look."""

from zoo.row import Row, image
from zoo.vision import deformable, spatial_transformer
from zoo.vision_table.family import ALL, family

DAI = "Dai et al., ICCV 2017, https://arxiv.org/abs/1703.06211"
JADERBERG = "Jaderberg et al., NeurIPS 2015, https://arxiv.org/abs/1506.02025"
JEON = "Jeon and Kim, CVPR 2017, https://arxiv.org/abs/1703.09076"
ZHU = "Zhu et al., CVPR 2019, https://arxiv.org/abs/1811.11168"

MOVING: dict[str, Row] = {
    **family(
        spatial_transformer.STN,
        {"stn_mnist": (27_360, {})},
        paper=JADERBERG,
        inputs=image(28, 28, 1),
        tiny=spatial_transformer.TINY,
        convention="weights and biases",
        rules=spatial_transformer.rules(),
        reference="PyTorch's tutorial of spatial transformers",
    ),
    **{
        name: row
        for name, count, kind, paper in (
            ("deformable_mnist", 31_982, "deformable", DAI),
            ("deformable_v2_mnist", 35_888, "modulated", ZHU),
            ("active_mnist", 24_202, "active", JEON),
        )
        for row in family(
            deformable.DeformableNet,
            {name: (count, {"kind": kind})},
            paper=paper,
            inputs=image(28, 28, 1),
            tiny=deformable.TINY,
            convention=f"{ALL}; with ordinary convolutions 24,170",
            notes="A small network around the convolutions of the paper.",
        ).values()
    },
}
