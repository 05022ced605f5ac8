"""Networks of sequences: recurrent ones, attention, the Transformer, and language."""

from zoo.sequence import truncated as truncated
from zoo.sequence.bert import BERT as BERT
from zoo.sequence.bert import mean_of_tokens as mean_of_tokens
from zoo.sequence.cells import gru_reset_before as gru_reset_before
from zoo.sequence.cells import output_to_hidden as output_to_hidden
from zoo.sequence.gpt import GPT as GPT
from zoo.sequence.language import RecurrentLM as RecurrentLM
from zoo.sequence.language import bits as bits
from zoo.sequence.language import draw as draw
from zoo.sequence.language import sample as sample
from zoo.sequence.language import token_accuracy as token_accuracy
from zoo.sequence.language import token_cross_entropy as token_cross_entropy
from zoo.sequence.recurrent import Jordan as Jordan
from zoo.sequence.recurrent import Recurrent as Recurrent
from zoo.sequence.recurrent_weights import params_from_keras as params_from_keras
from zoo.sequence.recurrent_weights import params_from_torch as params_from_torch
from zoo.sequence.search import beam as beam
from zoo.sequence.search import greedy as greedy
from zoo.sequence.seq2seq import Seq2Seq as Seq2Seq
from zoo.sequence.seq2seq import stepper as stepper
from zoo.sequence.stack import Stack as Stack
from zoo.sequence.stack import remember as remember
from zoo.sequence.transformer import Transformer as Transformer
from zoo.sequence.transformer_weights import stack_from_torch as stack_from_torch
