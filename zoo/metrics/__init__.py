"""Metrics, as two functions: from data to sums that add, from sums to a number."""

from zoo.metrics.bleu import Ngrams as Ngrams
from zoo.metrics.bleu import bleu as bleu
from zoo.metrics.bleu import ngrams as ngrams
from zoo.metrics.boundary import boundary_iou as boundary_iou
from zoo.metrics.boundary import boundary_overlap as boundary_overlap
from zoo.metrics.classification import accuracy as accuracy
from zoo.metrics.classification import class_iou as class_iou
from zoo.metrics.classification import confusion_matrix as confusion_matrix
from zoo.metrics.classification import error_rate as error_rate
from zoo.metrics.classification import f1 as f1
from zoo.metrics.classification import mean_iou as mean_iou
from zoo.metrics.classification import precision as precision
from zoo.metrics.classification import recall as recall
from zoo.metrics.clustering import adjusted_rand_index as adjusted_rand_index
from zoo.metrics.clustering import completeness as completeness
from zoo.metrics.clustering import contingency as contingency
from zoo.metrics.clustering import homogeneity as homogeneity
from zoo.metrics.clustering import inertia as inertia
from zoo.metrics.clustering import (
    normalized_mutual_information as normalized_mutual_information,
)
from zoo.metrics.clustering import trustworthiness as trustworthiness
from zoo.metrics.clustering import v_measure as v_measure
from zoo.metrics.detection import Matches as Matches
from zoo.metrics.detection import average_precisions as average_precisions
from zoo.metrics.detection import detection_matches as detection_matches
from zoo.metrics.detection import mean_average_precision as mean_average_precision
from zoo.metrics.generation import Modes as Modes
from zoo.metrics.generation import Moments as Moments
from zoo.metrics.generation import frechet_distance as frechet_distance
from zoo.metrics.generation import good_share as good_share
from zoo.metrics.generation import maximum_mean_discrepancy as maximum_mean_discrepancy
from zoo.metrics.generation import modes as modes
from zoo.metrics.generation import modes_covered as modes_covered
from zoo.metrics.generation import moments as moments
from zoo.metrics.generation import sample_precision_recall as sample_precision_recall
from zoo.metrics.generation import sliced_wasserstein as sliced_wasserstein
from zoo.metrics.image import SquaredError as SquaredError
from zoo.metrics.image import mse as mse
from zoo.metrics.image import psnr as psnr
from zoo.metrics.image import snr as snr
from zoo.metrics.image import squared_error as squared_error
from zoo.metrics.image import ssim as ssim
from zoo.metrics.pairs import ratio as ratio
from zoo.metrics.ranking import auc as auc
from zoo.metrics.ranking import average_precision as average_precision
from zoo.metrics.ranking import precision_recall_curve as precision_recall_curve
from zoo.metrics.ranking import roc_curve as roc_curve
from zoo.metrics.ranking import score_counts as score_counts
from zoo.metrics.ranking import score_histogram as score_histogram
from zoo.metrics.ranks import rank_correlation as rank_correlation
from zoo.metrics.ranks import ranks as ranks
from zoo.metrics.ranks import superiority as superiority
from zoo.metrics.regression import Residuals as Residuals
from zoo.metrics.regression import r2 as r2
from zoo.metrics.regression import residuals as residuals
