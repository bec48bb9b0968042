"""Archives what is final and not archived as it is; what the reference solution runs in its sandbox."""

import json

import boto3
from botocore.exceptions import ClientError

s3 = boto3.client("s3")
archived = 0
for page in s3.get_paginator("list_objects_v2").paginate(Bucket="incoming"):
    for found in page.get("Contents", []):
        content = s3.get_object(Bucket="incoming", Key=found["Key"])["Body"].read()
        report = json.loads(content)
        if report["state"] != "final":
            continue
        key = f"{report['site']}/{report['day'][:4]}/{found['Key'].rpartition('/')[2]}"
        try:
            before = s3.get_object(Bucket="archive", Key=key)["Body"].read()
        except ClientError:
            before = None
        if before != content:
            told = {"ContentType": "application/json", "Metadata": {"source": found["Key"]}}
            s3.put_object(Bucket="archive", Key=key, Body=content, **told)
            archived += 1
print("archived:", archived)
