# What the benchmark makes of its results. Nothing is measured here.

load ../lib/helpers

setup_file() {
    dhow_only "it is about Dhow's own scripts"
}

setup() {
    export PYTHONDONTWRITEBYTECODE=1
    OUT=$BATS_TEST_TMPDIR
}

# record WORK N GROWS VALUES: one line of results.json
record() {
    printf '{"subject": "%s", "work": "%s", "unit": "s", "better": "less", "n": %s, "grows": %s, "values": {%s}}' "$1" "$2" \
        "$3" "$4" "$5"
}

# results FILE RECORD...
results() {
    local file=$1 IFS=,
    shift
    printf '{"header": {"date": "2026-01-02", "commit": "abc", "kernel": "6.1", "versions": {"dhow": "1", "docker": "2"}},
        "records": [%s], "skipped": ["runtimes: crun is not installed"]}' "$*" >"$file"
}

@test "report: medians, ranges and ratios, a word for what is left out, and a plot" {
    results "$OUT/r.json" "$(record lifecycle 'run <a> & b' null false \
        '"floor": [0.005], "dhow": [0.012, 0.010, 0.011], "docker": [0.22, 0.33, 0.11]')"
    "$ROOT/bench/report" "$OUT/r.json" "$OUT"
    grep -F '# Results of 2026-01-02, commit abc' "$OUT/RESULTS.md"
    grep -F '| run <a> & b | 5.0 ms | 11.0 ms (10.0–12.0) **2.20 ×** | 220 ms (110–330) **20 ×** |' "$OUT/RESULTS.md"
    grep -F 'runtimes: crun is not installed' "$OUT/RESULTS.md"
    python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$OUT/RESULTS.svg"
    grep -F 'run &lt;a&gt; &amp; b' "$OUT/RESULTS.svg"
}

@test "report: says what grows faster than its work" {
    results "$OUT/r.json" \
        "$(record scale ps 1 true '"dhow": [0.001]')" "$(record scale ps 10 true '"dhow": [0.010]')" \
        "$(record scale ps 100 true '"dhow": [0.100]')" \
        "$(record scale stats 1 true '"dhow": [0.001]')" "$(record scale stats 10 true '"dhow": [0.010]')" \
        "$(record scale stats 100 true '"dhow": [0.900]')" \
        "$(record scale exec 1 false '"dhow": [0.004, 0.005]')" "$(record scale exec 100 false '"dhow": [0.005, 0.004]')" \
        "$(record scale run 1 false '"dhow": [0.004, 0.005]')" "$(record scale run 100 false '"dhow": [0.009, 0.008]')"
    "$ROOT/bench/report" "$OUT/r.json" "$OUT"
    grep -F '| ps | 1.0 ms | 10.0 ms | 100 ms | 100 × |' "$OUT/RESULTS.md"
    grep -E '^Grows faster .*: dhow: stats; dhow: run\.$' "$OUT/RESULTS.md"
}

@test "compare: two runs by the multiple of the floor, and two builds of one run" {
    results "$OUT/old.json" "$(record lifecycle run null false '"floor": [0.005], "dhow": [0.010, 0.011, 0.012]')"
    results "$OUT/new.json" "$(record lifecycle run null false \
        '"floor": [0.010], "dhow": [0.040, 0.044, 0.048], "before": [0.044, 0.044, 0.044]')"
    run -0 "$ROOT/bench/compare" "$OUT/old.json" "$OUT/new.json"
    [[ ${lines[1]} =~ ^'lifecycle: run'\ +'2.20 ×'\ +'4.40 ×'\ +'2.00 *'$ ]]
    run -0 "$ROOT/bench/compare" "$OUT/new.json"
    [[ ${lines[1]} =~ ^'lifecycle: run'\ +'44.0 ms'\ +'44.0 ms'\ +1.00 ]]
    run ! "$ROOT/bench/compare" "$OUT/old.json"
}

@test "run: an unknown subject is refused before anything is started" {
    run ! "$ROOT/bench/run" lifecycle nonsense
    [[ $output == *"no such subject: nonsense"* ]]
}
