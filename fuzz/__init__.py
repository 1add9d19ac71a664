"""Fuzzers: every reader of bytes from outside is fed damaged files, and has to answer or to refuse in Zehn's own words.

    make fuzz                                       every target, ten minutes of the processor each, two at a time
    make fuzz ARGS="images --minutes 1"             one target, or some, and less long
    make fuzz ARGS="--seeds"                        the seeds in fuzz/corpus/ anew

A file here other than ``__init__.py`` and ``_*.py`` is a target. It has ``seeds()``, small valid files by their names
(and odd ones), and ``check(data)``, which hands bytes to a reader and passes where that returns or raises what it
documents. It may have ``mend(data)``, which makes checksums right again after bytes were changed, for what is behind
them to be reached, and ``TOKENS``, words of the format that are put in here and there.

A target runs in a process of its own, which may crash, in ``.venv-fuzz`` with atheris (coverage-guided; made by
fuzz/setup.sh). What is found is kept under runs/fuzz/TARGET/; what was mended goes to fuzz/corpus/TARGET/ by a name
that says what it is, and tests/fuzz/ replays all of it.
"""
