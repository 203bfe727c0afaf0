"""What each statistic of the sensitivity page says, how it is computed, and where it is from."""

from __future__ import annotations

from typing import NamedTuple

import dash_mantine_components as dmc

from dashboards.pages import parts


class Help(NamedTuple):
    """The help text of one statistic."""

    about: str
    text: str
    method: str
    source: str


HELP: dict[str, Help] = {
    "best": Help(
        "the best cell",
        "The cell with the best mean over seeds on the split shown, its 95 % interval, and its "
        "mean on test. A choice is made on validation and reported on test.",
        "Student’s t on the logit scale; the variance is pooled over cells whose noise is alike, "
        "else moderated.",
        "Agresti, Categorical Data Analysis; Land (1972); Smyth (2004).",
    ),
    "tied": Help(
        "the tied set",
        "Cells that these seeds cannot tell from the best. With probability 95 % at least, the "
        "truly best cell is one of them. Intervals that overlap do not say the same.",
        "Hsu’s multiple comparisons with the best on the pooled, seed-blocked variance; where "
        "cells differ in noise, screened pair by pair first.",
        "Hsu (1984); Nelson, Swann, Goldsman & Song (2001).",
    ),
    "probability": Help(
        "the probability of being best",
        "How probable it is that the cell with the best mean is truly the best of its loss. Of "
        "many equal cells each has little, however large the best mean looks.",
        "Posterior of a normal-normal model with shrinkage and outliers, 4,000 draws; residual "
        "variance with seeds as a block.",
        "Gelman et al., Bayesian Data Analysis, ch. 5.",
    ),
    "plateau": Help(
        "the plateau",
        "Share of the planned grid whose mean lies within the given distance of the best. A large "
        "plateau says that the choice hardly matters.",
        "A count of means; nothing about noise.",
        "",
    ),
    "optimism": Help(
        "the winner’s curse",
        "How much better the chosen cell looks where it was chosen than where it is read anew. An "
        "upper estimate, since only half of the data choose.",
        "Chosen on one half and read on the other: halves of the examples when probabilities are "
        "kept, else halves of the seeds, which hides the examples.",
        "Cawley & Talbot (2010); with the threshold, Varma & Simon (2006).",
    ),
    "seeds": Help(
        "the number of seeds",
        "The smallest difference of two cells that the seeds show with 80 % power, and the seeds "
        "that smaller differences take. Comparing many cells takes more.",
        "Paired t test over seeds, 5 %, power by the noncentral t.",
        "Cohen (1988), ch. 2.",
    ),
    "shares": Help(
        "the shares of variance",
        "Which part of the differences between two runs of this grid is due to each "
        "hyperparameter, to their interaction, to the seed, and to noise.",
        "Analysis of variance with seeds as a block, collapsed cells set apart; variance "
        "components with intervals by the noncentral F. Saltelli designs get Sobol indices; other "
        "designs Optuna’s estimates.",
        "Scheffé (1959); Steiger (2004); Saltelli et al. (2010); Watanabe et al. (2023); Hutter "
        "et al. (2014).",
    ),
    "effects": Help(
        "the main effects",
        "The mean at each level of one hyperparameter over the levels of the others. What it "
        "averages away is in the interaction.",
        "Estimated marginal means; intervals by the seed × cell variance, for comparing levels.",
        "Searle, Speed & Milliken (1980); Loftus & Masson (1994).",
    ),
    "interaction": Help(
        "the interaction",
        "Means along one hyperparameter, one line a level of another. Lines that are not parallel "
        "say that the best level of one depends on the other.",
        "Cell means with intervals by a variance shared between cells.",
        "",
    ),
    "budget": Help(
        "the losses at equal budgets",
        "What the best of m cells of a loss is expected to give. A loss with a larger grid has "
        "more chances, so losses are compared at the same m.",
        "E[max of m] over the loss’s cells, chosen on validation and read on test.",
        "Dodge et al. (2019).",
    ),
    "transfer": Help(
        "the transfer regret",
        "What is lost by using one dataset’s best cell on another, as the paper did with VOC’s "
        "for COCO.",
        "Chosen on validation, read on test, among settings that all datasets have; paired by "
        "seed.",
        "Wistuba et al. (2015); Bénédict et al. (2022), Appendix D.",
    ),
    "rules": Help(
        "the rules of choice",
        "The mean takes the luckiest of near-equal cells; the lower bound prefers sure ones; the "
        "robust rules ask what a step away on the grid costs.",
        "Best mean; best one-sided 95 % bound; best worst or mean value of a cell and its "
        "neighbours.",
        "Beyer & Sendhoff (2007) for neighbourhoods.",
    ),
    "thresholds": Help(
        "the threshold rules",
        "What one tuned threshold, Threshold Averaging, one threshold a class or one an example "
        "gain on test over the fixed one; and F-measure maximisation, which tunes nothing: the "
        "labels of each example with the best expected F1 if labels were independent. Intervals "
        "are over test examples, not over seeds.",
        "Tuned on all validation examples, or on a random half of them (holdout); paired bootstrap "
        "over examples.",
        "Decubber et al. (2018); Dembczynski et al. (2011); Yang (2001); Elisseeff & Weston "
        "(2001); Bénédict et al. (2022), Table 4.",
    ),
    "variance": Help(
        "the variance in words",
        "Shares of the variance of single runs, with intervals.",
        "See the bars above.",
        "Scheffé (1959); Steiger (2004).",
    ),
    "simple": Help(
        "the simple effects",
        "At how many levels of one hyperparameter the other matters beyond noise, and where most.",
        "F on the grid’s residual, Holm’s correction over the levels, 5 %.",
        "Winer (1971); Holm (1979).",
    ),
    "training": Help(
        "saturation and gradients",
        "A sigmoid that is saturated for nearly all predictions passes no gradient: such heads "
        "hardly learn. Explains many collapsed cells.",
        "Share of |S − 0.5| > 0.49 at the kept epoch; L2 norm of the gradient at the first and "
        "last batch; means over seeds.",
        "Bénédict et al. (2022), Eq. 6.",
    ),
    "threshold": Help(
        "the threshold’s regret",
        "What the fixed threshold loses against each cell’s own best one, and whether η only "
        "moves the threshold.",
        "Best threshold on validation, read on test; slope of its logit on η near the best.",
        "",
    ),
    "baseline": Help(
        "constant predictions",
        "How many cells are surely better than predicting every label, or none.",
        "A cell’s interval over seeds against the constant’s value on the same split.",
        "",
    ),
    "examples": Help(
        "intervals over examples",
        "Seeds share one split, so intervals over seeds hide what another sample of examples would "
        "change. These do not.",
        "Paired bootstrap over examples of the stored probabilities, seeds fixed.",
        "Efron & Tibshirani (1993); Koehn (2004).",
    ),
    "cells": Help(
        "what was trained",
        "Replicates by state, and cells that learnt nothing: they predict nothing or everything, "
        "or give exactly what others give.",
        "Within 1 % of the constant prediction, relative to the base rate, in every seed.",
        "",
    ),
    "compared": Help(
        "losses compared",
        "Each loss by the cell that validation chose, read on test, paired by seed.",
        "Student’s t on the differences of the same seeds.",
        "Bouthillier et al. (2021).",
    ),
}


def help_of(topic: str) -> dmc.Popover | None:
    """Return the help button of a topic, None for a topic without help."""
    found = HELP.get(topic)
    if found is None:
        return None
    return parts.help_tip(found.about, found.text, method=found.method, source=found.source)
