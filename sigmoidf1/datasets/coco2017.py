"""MS-COCO 2017: the images of 2014, parted anew into train2017 and val2017."""

from __future__ import annotations

from sigmoidf1.datasets.reading.coco import coco_source

SOURCE = coco_source(2017, count="122,218")
