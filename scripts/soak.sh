#!/usr/bin/env bash
# Whether memory stays flat: training, evaluation and serving on tiny sizes for so many minutes each, the resident memory read every
# second, and its slope with a 95 % interval. The first third does not count: caches fill and code is compiled.
#     scripts/soak.sh MINUTES [training|evaluation|serving ...]
# The interval is by blocks: the readings of a tenth of the time are one mean, since neighbouring readings are alike.
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=${1:?usage: scripts/soak.sh MINUTES [training|evaluation|serving ...]}
shift
tasks=("${@:-}")
[ -n "${tasks[0]}" ] || tasks=(training evaluation serving)
program=${PFMVG:-$PWD/src/Pfmvg.Cli/bin/Release/net10.0/pfmvg.dll}
[ -f "$program" ] || { echo "$program is not there: dotnet build PFMVG.sln -c Release" >&2; exit 2; }
export DOTNET_gcServer=0
work=$(mktemp -d)
running=
cleanup() {
    [ -n "$running" ] && kill -9 "$running" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

sets=(workspace="$work/ws" threads=1 phantom.patients=20 phantom.base=random weights.start=null model.image_size=56 model.vision.width=32
    model.vision.depth=1 model.vision.heads=2 model.vision.mlp_hidden=64 model.language.hidden_size=32 model.language.layers=2
    model.language.heads=2 model.language.intermediate_size=64 model.lora.rank=2 stage2.batch_size=8 stage2.warmup_steps=2
    stage2.image=random_crop stage2.log_every=1000 stage2.checkpoint_every=200 eval.batch_size=8 eval.max_new_tokens=24 data.cache=null
    data.feature_cache=null)
settings=()
for one in "${sets[@]}"; do settings+=(--set "$one"); done

pfmvg() { dotnet "$program" "$@"; }
pfmvg train --stage 2 --from base "${settings[@]}" --set stage2.epochs=2 --set name=model >/dev/null 2>"$work/error" \
    || { cat "$work/error" >&2; exit 1; }
model=$(find "$work/ws" -path '*/model/stage2' -type d)
port=$((20000 + $$ % 20000))

for task in "${tasks[@]}"; do
    case $task in
        training) command=(train --stage 2 --from base "${settings[@]}" --set stage2.epochs=1000000 --set name=soak --overwrite) ;;
        # One process that evaluates and serves in turns; the length of the turns decides which of them it mostly does.
        evaluation) command=(bench serve --from "$model" --clients 1 --seconds 10 --rounds 10000) ;;
        serving) command=(serve --from "$model" --port $port) ;;
        *) echo "unknown task $task" >&2; exit 2 ;;
    esac
    dotnet "$program" "${command[@]}" >"$work/output" 2>"$work/error" &
    running=$!
    if [ "$task" = serving ]; then
        until curl -fs "localhost:$port/v1/models" >/dev/null 2>&1; do
            kill -0 $running 2>/dev/null || { cat "$work/error" >&2; exit 1; }
            sleep 0.2
        done
        for client in 1 2 3 4; do
            (
                while kill -0 $running 2>/dev/null; do
                    for picture in $(find "$work/ws" -name '*.jpg' | head -40); do
                        curl -s -m 60 -F image=@"$picture" -F phrase="effusion $client" "localhost:$port/v1/ground" >/dev/null || true
                    done
                done
            ) &
        done
    fi

    : >"$work/memory"
    end=$(($(date +%s) + minutes * 60)) began=$(date +%s)
    while [ "$(date +%s)" -lt "$end" ]; do
        kill -0 $running 2>/dev/null || { echo "$task ended early:"; cat "$work/error"; exit 1; } >&2
        kilobytes=$(awk '/^VmRSS/ { print $2 }' /proc/$running/status 2>/dev/null || true)
        [ -n "$kilobytes" ] && echo "$(($(date +%s) - began)) $kilobytes" >>"$work/memory"
        sleep 1
    done
    kill -9 $running 2>/dev/null || true
    wait 2>/dev/null || true
    running=
    awk -v task="$task" -v minutes="$minutes" '
        $1 >= minutes * 20 { n++; second[n] = $1; size[n] = $2 }
        END {
            blocks = 10
            for (i = 1; i <= n; i++) {
                b = int((i - 1) * blocks / n) + 1
                count[b]++; x[b] += second[i] / 60; y[b] += size[i] / 1024
            }
            for (b = 1; b <= blocks; b++) { x[b] /= count[b]; y[b] /= count[b]; mx += x[b] / blocks; my += y[b] / blocks }
            for (b = 1; b <= blocks; b++) { xx += (x[b] - mx) ^ 2; xy += (x[b] - mx) * (y[b] - my) }
            slope = xy / xx
            for (b = 1; b <= blocks; b++) rest += (y[b] - my - slope * (x[b] - mx)) ^ 2
            half = 2.306 * sqrt(rest / (blocks - 2) / xx) # 8 degrees of freedom
            printf "%-10s %d minutes: %.0f MiB, slope %+.3f MiB a minute, 95 %% interval %+.3f to %+.3f\n", task, minutes, my, slope,
                slope - half, slope + half
        }' "$work/memory"
done
