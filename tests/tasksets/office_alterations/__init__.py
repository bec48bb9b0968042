"""How an agent does the office tasks almost right, or right in another way: a file for each task.

An alteration is a function `(seat, tool, args)` that is called in place of every tool call of the reference solution;
`seat.do` really does one. It may keep notes in `seat.notes`. A function of the same name followed by `_reply` alters
what is replied. What fits every task is in `any_task`.
"""
