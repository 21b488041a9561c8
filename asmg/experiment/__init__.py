"""Experiments offline: the methods of the paper and ours on one data set, period by period, without Kafka."""
