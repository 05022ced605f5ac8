"""Learning to learn: nets that are begun so that a few steps adapt them to a task.

A room of its own beside `zoo.search`: that searches what to train, this finds where to
begin training and which layers to train; neither needs the other.
"""

from zoo.meta import adapted as adapted
from zoo.meta import inner as inner
from zoo.meta import maml as maml
from zoo.meta import pace as pace
from zoo.meta import reptile as reptile
