"""RushDB's REST: its endpoints and documents, for those who send them and those who answer.

`rushmodel.backends.rest` writes requests and reads answers with it, `rushmodel.serve` reads
requests and writes answers.
"""
