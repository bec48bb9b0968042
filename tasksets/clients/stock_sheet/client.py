"""Books what is open, then reports; what the reference solution runs in its sandbox."""

import gspread
from gspread.utils import ValueRenderOption

RAW = ValueRenderOption.unformatted

book = gspread.service_account("/run/secrets/google_credentials").open("Store")
stock, deliveries = book.worksheet("Stock"), book.worksheet("Deliveries")
wanted = [(row, told) for row, told in enumerate(deliveries.get_all_records(), 2) if told["booked"] != "yes"]
left, rows = {}, {}
for row, (item, count, *_) in enumerate(stock.get_values("A2:B99", value_render_option=RAW), 2):
    left[item], rows[item] = count, row
for _, delivery in wanted:
    left[delivery["item"]] += delivery["pieces"]
if wanted:
    booked = {delivery["item"] for _, delivery in wanted}
    stock.batch_update([{"range": f"B{rows[item]}", "values": [[left[item]]]} for item in sorted(booked)])
    deliveries.batch_update([{"range": f"C{row}", "values": [["yes"]]} for row, _ in wanted])
else:
    total = stock.find("total", in_column=1).row
    [[worth]] = stock.get_values(f"D{total}", value_render_option=RAW)
    book.worksheet("Report").update_acell("B1", worth)
print("booked:", len(wanted))
