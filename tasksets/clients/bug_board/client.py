"""Escalates what is grave and says how many it were, and are in all; what the reference solution runs."""

import os
import sys
import time

from notion_client import APIResponseError, Client
from notion_client.helpers import collect_paginated_api

notion = Client(auth=os.environ["NOTION_TOKEN"])


def patient(ask, **what):
    """Ask again where the API is busy."""
    while True:
        try:
            return ask(**what)
        except APIResponseError as error:
            if error.status != 429:
                raise
            time.sleep(float(error.headers.get("Retry-After", "1")))


[source] = patient(notion.search, query="Bugs", filter={"property": "object", "value": "data_source"})["results"]


def staged(stage, *more):
    rules = {"and": [{"property": "Stage", "select": {"equals": stage}}, *more]}
    return patient(collect_paginated_api, function=notion.data_sources.query, data_source_id=source["id"], filter=rules)


found = staged("Open", {"property": "Severity", "number": {"greater_than_or_equal_to": 8}})
for page in found:
    new = {"Stage": {"select": {"name": "Escalated"}}, "Due": {"date": {"start": sys.argv[1]}}}
    patient(notion.pages.update, page_id=page["id"], properties=new)
print(len(found), len(staged("Escalated")))
