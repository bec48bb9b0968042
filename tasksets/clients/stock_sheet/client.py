"""Books what is open, then reports; what the reference solution runs in its sandbox."""

import gspread
from gspread.utils import ValueRenderOption

book = gspread.service_account("/run/secrets/google_credentials").open("Store")
stock, deliveries = book.worksheet("Stock"), book.worksheet("Deliveries")
booked = 0
for number, delivery in enumerate(deliveries.get_all_records(), 2):
    if delivery["booked"] != "yes":
        row = stock.find(delivery["item"], in_column=1).row
        left = stock.cell(row, 2, value_render_option=ValueRenderOption.unformatted).value
        stock.update_cell(row, 2, left + delivery["pieces"])
        deliveries.update_cell(number, 3, "yes")
        booked += 1
total = stock.find("total", in_column=1).row
worth = stock.cell(total, 4, value_render_option=ValueRenderOption.unformatted).value
book.worksheet("Report").update_acell("B1", worth)
print("booked:", booked)
