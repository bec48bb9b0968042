"""Buckets of objects behind an S3 interface."""
