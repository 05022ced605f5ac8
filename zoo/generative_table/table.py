"""All rows of generative models; `zoo.catalog` lists them."""

from zoo.generative_table.autoencoders import AUTOENCODERS
from zoo.generative_table.players import PLAYERS
from zoo.generative_table.translation import TRANSLATION
from zoo.row import Row

GENERATIVE: dict[str, Row] = {**AUTOENCODERS, **PLAYERS, **TRANSLATION}
