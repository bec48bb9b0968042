"""Four turns in a world with every service that is emulated, and commands in a sandbox."""

import time

from terrarium import entry, run_checkers

SERVICES = ["calendar", "contacts", "email", "google_sheets", "mcp", "notion", "object_store", "slack", "web"]
PEOPLE = {"ann": "Ann <ann@corp.example>", "bob": {"address": "bob@corp.example", "agent": "agent"}}


@entry([*SERVICES, "workspace"], {"object_store": {"buckets": ["box"]}}, people=PEOPLE, notices=["slack", "email"])
def everything(env, agent):
    env.slack.create_channel("general", ["ann", "bob"])
    env.calendar.create_calendar("Work", "work", owner="bob")
    page = env.notion.create_page("Sprint")["id"]
    stock = env.google_sheets.create_spreadsheet("Stock")["id"]
    env.every("30s", lambda: env.slack.post("ann", "general", f"@bob {env.random.random():.6f}?"), until="09:05")
    for number in range(4):
        env.contacts.add_contact(f"Ann {number}", owner="bob", emails=[f"ann{number}@corp.example"])
        env.email.send("ann@corp.example", "bob@corp.example", f"Version {number}", "Which?")
        env.notion.append_blocks(page, f"- [ ] water fern {number}")
        env.google_sheets.write_range(stock, f"Sheet1!A{number + 1}", [["fern", number]])
        env.object_store.put_object("box", f"of ann {number}", "hello" * number)
        env.web.put("shop.example", f"/{number}", f"<h1>{number}</h1>", type="text/html")
        env.workspace.fs.write_file("/root/number", str(number))
        agent.act(f"{number} {env.random.randrange(100)}")
        env.clock.advance("3m")
    sheet = env.google_sheets.read_range(stock, "Sheet1!A1:B4")
    kept = env.object_store.list_objects("box")
    done = env.workspace.shell.exec("cat /root/done").stdout
    return run_checkers(
        {
            "chat": lambda: len([post for post in env.slack.history("general") if post["by"] == "agent"]) == 4,
            "files": lambda: len(kept) == 8,
            "sheet": lambda: sheet == [["fern", str(number)] for number in range(4)],
            "commands": lambda: done.split() == ["0", "1", "2", "3"],
            "luck": lambda: env.random.random() < 0.5,
        }
    )


@everything.solution
def solve(seat):
    for number in range(4):
        seat.call("slack_read", channel="general")
        seat.call("email_list")
        seat.call("web_fetch", url=f"https://shop.example/{number}")
        seat.call("object_store_read", bucket="box", key=f"of ann {number}")
        time.sleep(0.03)
        seat.call("slack_post", channel="general", text=f"{len(seat.notices())}")
        seat.call("email_send", to=["ann@corp.example"], subject=f"Version {number}", body="4.2")
        seat.call("calendar_create", calendar="work", summary="Lunch", start=f"2030-01-1{number}T12:00")
        seat.call("contacts_add", name=f"Eve {number}")
        seat.call("notion_create_page", title=f"Version {number}", content="4.2")
        seat.call("google_sheets_create", title=f"Mine {number}")
        seat.call("object_store_write", bucket="box", key=f"of bob {number}", content="moss")
        seat.call("workspace_exec", command="cat number >> done; echo >> done")
        time.sleep(0.03)
        yield f"{number} is done"
