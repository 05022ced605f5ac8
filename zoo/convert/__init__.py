"""Weights of others, and of other models of ours: read, laid out, copied, saved."""

from zoo.convert.assign import WeightsError as WeightsError
from zoo.convert.assign import assign as assign
from zoo.convert.files import read as read
from zoo.convert.files import save as save
from zoo.convert.transfer import Report as Report
from zoo.convert.transfer import transfer as transfer
