import json
import os
import subprocess
import sys
import urllib.request

said = [{"role": "user", "content": sys.stdin.read() + "\nAnswer with `$ ` and a command, or with what to tell."}]
while True:
    body = json.dumps({"model": os.environ["MODEL"], "messages": said}).encode()
    head = {"Authorization": "Bearer " + os.environ["TOKEN"], "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(os.environ["URL"], body, head)) as answer:
        text = json.load(answer)["choices"][0]["message"]["content"]
    if not text.startswith("$ "):
        break
    ran = subprocess.run(text[2:], shell=True, capture_output=True, text=True)
    said += [{"role": "assistant", "content": text}, {"role": "user", "content": ran.stdout + ran.stderr}]
print(text)
