#!/usr/bin/env bash
# The whole story in under ten minutes on two cores: `make demo`, or bash examples/demo.sh where zhixing is installed.
# One model learns English and Chinese from four minutes of training. Everything goes into a new folder under demo/.
set -euo pipefail

place="demo/$(date +%Y%m%d-%H%M%S)"
minutes="${MINUTES:-4}"

step() { # show a command, then run it
    printf '\n$ %s\n' "${*@Q}" >&2
    "$@"
}

# 1. Text: an English and a Chinese corpus by their names. Files and folders of your own go in the same way.
step zhixing get shakespeare people-daily

# 2. Data: cleaned, without copies, split into training and validation, tokenized; with the scores that a model has to beat.
step zhixing prepare shakespeare people-daily --out "$place/data"

# 3. The model: as large, and trained for as long, as these minutes on this machine allow.
step zhixing pretrain "$place/data" --out "$place/lm" --minutes "$minutes"

# 4. Its score on text it has not seen, with intervals; then in one table with the compressors and the n-gram model.
step zhixing evaluate "$place/lm"
python3 - "$place" <<'TABLE'
import json, pathlib, sys

place = pathlib.Path(sys.argv[1])
scores = {name: entry["bits_per_byte"] for name, entry in json.loads((place / "data/baselines.json").read_text()).items()}
scores["this model"] = json.loads((place / "lm/eval/valid/report.json").read_text())["metrics"]["bits_per_byte"]["value"]
print("\nbits per byte of the validation part, lower is better")
for name, bits in sorted(scores.items(), key=lambda pair: -pair[1]):
    print(f"  {name:<14} {bits:.3f}")
TABLE

# 5. What it writes.
step zhixing generate "$place/lm" --prompt "KING. " --prompt "全国人民" --tokens 80 --seed 1

# 6. For other programs: a folder that transformers, vLLM or llama.cpp's converter open. It is kept only if its outputs are the same.
step zhixing export "$place/lm" --to hf --out "$place/lm-hf"

printf '\nDone in %d min %02d s. The report, English and Chinese: %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$place/lm/report.html"
