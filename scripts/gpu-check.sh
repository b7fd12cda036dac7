#!/usr/bin/env bash
# Checks a GPU before long runs trust it: does every part of the model work there, are its numbers those of the processor, and how
# fast is it. A few minutes; nothing is downloaded, and no setting of the card is changed.
#
#     scripts/gpu-check.sh [OUT]            OUT (gpu-check): what was compared, as JSON and text
#
#   PFMVG="pfmvg"                           the program
#   DEVICE=cuda                             cpu tries the check itself
#   PATIENTS=200 EPOCHS=10                  size of the study that both learn
#   SPEED=configs/pfmvg-7b.yaml             sizes for the measured speed, random weights (needs about 45 GiB there); empty: none
set -euo pipefail
# part NAME COMMAND...: its words are shown and kept; a part that fails does not stop the others.
part() {
    local name=$1
    shift
    echo "== $name"
    if "$@" 2>&1 | tee "$out/$name.txt"; then return; fi
    failed+=("$name")
}

# The same study, learnt twice: seeds, order and dropout masks are equal, so only rounding differs.
learn() { # NAME ARGUMENT...
    local name=$1
    shift
    "${pfmvg[@]}" demo --out "$out/$name" --set "phantom.patients=$patients" --set stage1.epochs=1 --set "stage2.epochs=$epochs" \
        --set stage1.log_every=1 --set stage2.log_every=1 "$@" > "$out/$name.txt" 2>&1 || { tail -n 20 "$out/$name.txt"; return 1; }
}

losses() { sed -n 's/.*"kind":"step","step":\([0-9]*\),.*"loss":\([-+0-9.eE]*\),.*/\1 \2/p' "$1"; }

# The first step of each stage is one forward pass with equal weights: there the losses must agree.
compare_losses() {
    local stage code=0
    for stage in 1 2; do
        paste -d' ' <(losses "$out/processor/runs/tiny/stage$stage/log.jsonl") <(losses "$out/device/runs/tiny/stage$stage/log.jsonl") |
            awk -v stage="$stage" '
                NF != 4 || $1 != $3 { unlike = 1; next }
                { d = ($2 - $4) / $2; d = d < 0 ? -d : d; if ($1 == 1) first = d; if (d > most) most = d; steps++ }
                END {
                    good = steps > 0 && !unlike && (stage == 2 || first <= 1e-4)
                    printf "stage %d: %d steps, relative difference of the losses %.1e in the first, at most %.1e%s\n", stage, steps,
                        first, most, unlike ? "; the two logs have unlike steps" : good ? "" : "; too much for one forward pass"
                    exit !good
                }' || code=1
    done
    return $code
}

answers() { sed -n 's/.*"answer":"\([^"]*\)".*/\1/p' "$out/$1/runs/tiny/eval-test/predictions.jsonl"; }

# What the processor learnt, asked on the device: here the answers must be the same but for ties.
compare_answers() {
    cp -r "$out/processor" "$out/crossed"
    rm -r "$out/crossed/runs/tiny/eval-test"
    "${pfmvg[@]}" eval --split test --resamples 0 --config "$out/crossed/runs/tiny/stage2/config.yaml" --set "workspace=$out/crossed" \
        --set "device=$device" > "$out/crossed.txt" 2>&1 || { tail -n 20 "$out/crossed.txt"; return 1; }
    paste -d'\t' <(answers processor) <(answers crossed) | awk -F'\t' '
        { all++; same += NF == 2 && $1 == $2 }
        END { printf "%d of %d answers of the same weights are the same\n", same, all; exit !(all > 0 && same >= 0.99 * all) }'
}

[ "${BASH_SOURCE[0]}" = "$0" ] || return 0 # a test uses what is above
out=${1:-gpu-check}
device=${DEVICE:-cuda} patients=${PATIENTS:-200} epochs=${EPOCHS:-10} speed=${SPEED-configs/pfmvg-7b.yaml}
read -ra pfmvg <<< "${PFMVG:-pfmvg}"
failed=()

die() { echo "gpu-check: $1" >&2; exit 2; }
command -v "${pfmvg[0]}" > /dev/null || die "${pfmvg[0]} is not there; name the program in PFMVG."
[ ! -e "$out" ] || die "$out is there already; name another folder."
[ -z "$speed" ] || [ -f "$speed" ] || die "$speed is not there; name a configuration in SPEED, or leave it empty."
mkdir -p "$out"
out=$(cd "$out" && pwd)

part doctor "${pfmvg[@]}" doctor --set "device=$device"
# Each call of CUDA is waited for, so that an error names the operation that caused it.
part bf16 env CUDA_LAUNCH_BLOCKING=1 "${pfmvg[@]}" bench model --set "device=$device" --set precision=bf16 --repeats 1 --batch 2 --tokens 4 \
    --parts vision,train1,train2,prefill,decode --json "$out/bf16.json"
part float32 env CUDA_LAUNCH_BLOCKING=1 "${pfmvg[@]}" bench model --set "device=$device" --repeats 1 --batch 2 --tokens 4 \
    --parts vision,train1,train2,prefill,decode --json "$out/float32.json"
part learning-processor learn processor --set device=cpu
part learning-device learn device --set "device=$device" --set tf32=false
part losses compare_losses
part answers compare_answers
[ -z "$speed" ] || part speed "${pfmvg[@]}" bench model --config "$speed" --set "device=$device" --repeats 5 --tokens 32 \
    --parts limits,vision,train1,train2,prefill,decode --json "$out/speed.json"

if [ ${#failed[@]} -gt 0 ]; then echo "FAILED: ${failed[*]}; what they said is in $out" >&2; exit 1; fi
echo "All parts passed; what was measured is in $out"
