# The pages that are made from the program are in step with it.

load ../lib/helpers

@test "docs/compatibility.md" {
    dhow_only "it is about Dhow"
    "$ROOT/scripts/compatibility" -c
}

@test "tests/book/COVERAGE.md" {
    "$ROOT/scripts/book-coverage" -c
}

# Two files run at a time, and what the kernel gives away to clients is taken by anybody at any time.
@test "each port of the host that tests name is one file's, and none of those that the kernel gives away" {
    # A word of five digits is a port, if it is between 18000 and 18999 or 28000 and 28999.
    same "$(cd "$ROOT/tests" && grep -oE '\b[12]8[0-9]{3}\b' -- */*.bats | sort -u | cut -d: -f2 | sort | uniq -d)" ''
    same "$(cd "$ROOT/tests" && grep -ohE -- '-p ([0-9.]+:)?[0-9]{5}[:-]' -- */*.bats | grep -vE '[^0-9][12]8[0-9]{3}[:-]')" ''
}
