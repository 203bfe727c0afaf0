"""MS-COCO 2014, the paper's: test is val2014, validation is cut from train2014."""

from __future__ import annotations

from sigmoidf1.datasets.reading.coco import coco_source

SOURCE = coco_source(2014, count="122,218")
