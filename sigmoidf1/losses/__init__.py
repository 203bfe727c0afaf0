"""Multilabel losses: plain functions, modules, and a registry that finds them by name.

A new loss is one file here with a ``LOSS``; the registry finds it, and the tests of the shared
contract run over it.
"""

from sigmoidf1.losses.asl import asl
from sigmoidf1.losses.base import Hyperparameter, Loss, autograd_gradient
from sigmoidf1.losses.bce import bce
from sigmoidf1.losses.bp_mll import bp_mll
from sigmoidf1.losses.focal import focal
from sigmoidf1.losses.hinge_f1 import hinge_f1
from sigmoidf1.losses.poly1_bce import poly1_bce
from sigmoidf1.losses.poly1_focal import poly1_focal
from sigmoidf1.losses.recall_at_k import recall_at_k
from sigmoidf1.losses.registry import get_loss, loss_names, register_loss
from sigmoidf1.losses.sigmoid_f1 import sigmoid_f1
from sigmoidf1.losses.smooth_accuracy import smooth_accuracy
from sigmoidf1.losses.smooth_npv import smooth_npv
from sigmoidf1.losses.smooth_precision import smooth_precision
from sigmoidf1.losses.smooth_recall import smooth_recall
from sigmoidf1.losses.smooth_specificity import smooth_specificity
from sigmoidf1.losses.soft_f1 import soft_f1
from sigmoidf1.losses.unbounded_f1 import unbounded_f1

__all__ = [
    "Hyperparameter",
    "Loss",
    "asl",
    "autograd_gradient",
    "bce",
    "bp_mll",
    "focal",
    "get_loss",
    "hinge_f1",
    "loss_names",
    "poly1_bce",
    "poly1_focal",
    "recall_at_k",
    "register_loss",
    "sigmoid_f1",
    "smooth_accuracy",
    "smooth_npv",
    "smooth_precision",
    "smooth_recall",
    "smooth_specificity",
    "soft_f1",
    "unbounded_f1",
]
