# The pages that are made from the program are in step with it.

load ../lib/helpers

@test "docs/compatibility.md" {
    dhow_only "it is about Dhow"
    "$ROOT/scripts/compatibility" -c
}

@test "tests/book/COVERAGE.md" {
    "$ROOT/scripts/book-coverage" -c
}
