"""Zehn against what a user would pick instead: the same work on the same cores, by turns within each case.

    make bench                                     all of it, three quarters of an hour on two quiet cores
    make bench ARGS="search --sizes 60000"         one comparison, or some, and other sizes
    make bench ARGS="--list"                       what there is and how long each takes

A file here other than ``__init__.py`` and ``_*.py`` is a comparison, and each function in it that is marked with
``@peer`` is one who takes part. A peer runs in a process of its own, in Zehn's environment or in ``.venv-peers``
(``benchmarks/bench/peers.sh`` makes it from ``peers.txt``), and gets its orders by a line of JSON each. For each case
all peers get ready; they answer once, and what they answer is compared; then they work by turns, A B C, B C A, C A B,
so that whatever else the machine does meets all of them alike. What came is kept, a file a case, under runs/bench/;
what is there already is not measured again. docs/benchmarks.md and its plots are drawn from these files alone.
"""
