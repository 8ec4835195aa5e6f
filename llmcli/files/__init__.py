"""Files: the only room that opens one to write, so that what is kept is whole, and new files are their owner's alone.

`replace` puts whole content in a file's place, `append` adds a whole line or nothing, and `Journal` is a file of lines
that one process holds. All raise OSError, but for `append_line`, whose path a user named.
"""

from llmcli.files.journal import Held, Journal, StandingJournal, Unlockable
from llmcli.files.opening import (
    Irregular,
    check_directory,
    check_file,
    check_room,
    exists,
    fill_standard,
    is_directory,
    is_file,
    is_link,
    make_directory,
    open_existing,
    open_fresh,
    open_regular,
    open_shared,
    prove_directory,
    read_beginning,
    read_regular,
    sha256_of,
)
from llmcli.files.replacing import Replacement, create, replace, scratch, scratch_directory
from llmcli.files.writing import (
    Waiting,
    append,
    append_line,
    check_appendable,
    nowhere,
    overwrite,
    patiently,
    write_all,
)

__all__ = [
    "Held",
    "Irregular",
    "Journal",
    "Replacement",
    "StandingJournal",
    "Unlockable",
    "Waiting",
    "append",
    "append_line",
    "check_appendable",
    "check_directory",
    "check_file",
    "check_room",
    "create",
    "exists",
    "fill_standard",
    "is_directory",
    "is_file",
    "is_link",
    "make_directory",
    "nowhere",
    "open_existing",
    "open_fresh",
    "open_regular",
    "open_shared",
    "overwrite",
    "patiently",
    "prove_directory",
    "read_beginning",
    "read_regular",
    "replace",
    "scratch",
    "scratch_directory",
    "sha256_of",
    "write_all",
]
