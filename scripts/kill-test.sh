#!/usr/bin/env bash
# Disturbs training, evaluation, preparation, export and serving at random moments, goes on, and compares the bytes with those of an
# undisturbed run:
#     scripts/kill-test.sh N [--first K] [--seed S] [--out FILE]
# Disturbances: SIGKILL; SIGKILL of one of two MPI processes (where mpirun is there); a disk that is full (root: a small disk in memory;
# others: a limit on the size of files); a folder that has become read-only. Each is a line of FILE (kill-test.tsv): number, seed, what ran,
# what was done, at which second, the exit code, and how it ended after going on: same, early (it had ended before), or what is wrong.
# Number and seed decide everything but the machine's speed. The exit code is 1 if any ended in another way than same or early.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD

count=${1:?usage: scripts/kill-test.sh N [--first K] [--seed S] [--out FILE]}
shift
first=1 seed=1 table=$PWD/kill-test.tsv
while [ $# -gt 0 ]; do
    case $1 in
        --first) first=$2 ;;
        --seed) seed=$2 ;;
        --out) table=$(realpath -m "$2") ;;
        *) echo "unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
done

program=${PFMVG:-$repository/src/Pfmvg.Cli/bin/Release/net10.0/pfmvg.dll}
[ -f "$program" ] || { echo "$program is not there: dotnet build PFMVG.sln -c Release" >&2; exit 2; }
export DOTNET_gcServer=0 OMP_NUM_THREADS=1
work=$(mktemp -d)
chmod 755 "$work"
disk=$work/disk
mkdir -p "$disk"
root=$([ "$(id -u)" = 0 ] && echo 1 || echo 0)
small=0
[ "$root" = 1 ] && mount -t tmpfs -o size=48m tmpfs "$disk" 2>/dev/null && small=1
running=
cleanup() {
    [ -n "$running" ] && kill -9 "$running" 2>/dev/null
    [ $small = 1 ] && umount -l "$disk"
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

pfmvg() { dotnet "$program" "$@"; }
sets=(workspace="$work/ws" threads=1 phantom.patients=10 model.image_size=56 model.vision.width=32 model.vision.depth=1 model.vision.heads=2
    model.vision.mlp_hidden=64 model.language.hidden_size=32 model.language.layers=2 model.language.heads=2
    model.language.intermediate_size=64 model.lora.rank=2 model.lora.alpha=16 phantom.base=random weights.start=null stage2.image=random_crop
    stage2.batch_size=8 stage2.epochs=8 stage2.warmup_steps=2 stage2.checkpoint_every=2 stage2.validate=true eval.batch_size=2
    eval.max_new_tokens=4 data.cache=null data.feature_cache=null)
settings=()
for one in "${sets[@]}"; do settings+=(--set "$one"); done

# The command of a task whose results go into the folder $2; the third word is --resume or nothing.
command_of() {
    case $1 in
        train | ranks) command=(train --stage 2 --from base "${settings[@]}" --set "runs=$2" --set name=run ${3:+$3}) ;;
        eval) command=(eval --split train --from "$work/model/run/stage2" --resamples 50 "${settings[@]}" --set "runs=$2" --set name=run ${3:+$3}) ;;
        prepare) command=(data prepare --from "$work/study" --out "$2/prepared") ;;
        export) command=(export --from "$work/model/run/stage2" --format hf --out "$2/export" ${3:+--overwrite}) ;;
    esac
}

start() { # runs the command in the background, as $runner
    if [ "$1" = ranks ]; then
        exec mpirun --allow-run-as-root --oversubscribe -n 2 dotnet "$program" "${command[@]}"
    fi
    exec ${runner:-} dotnet "$program" "${command[@]}"
}

# What a task leaves, times left out. Times and places are in run.json, in the journal of pictures and in what reports say of them.
result_of() {
    (
        cd "$1"
        find . -name '*.tmp' -o -name '*.part' -o -name '.unfinished' -o -name '.complete'
        find . -type f \( -name '*.safetensors' -o -name 'predictions*.jsonl' -o -path './prepared/*.jsonl' -o -path './export/*' \) \
            ! -name pictures.jsonl ! -name README.md -print0 | sort -z | xargs -0 -r sha256sum
        find . -name log.jsonl -exec sed -E 's/"seconds":[^,}]*//' {} + | sha256sum
    )
}

echo "Undisturbed runs in $work ..."
mkdir -p "$work/model"
pfmvg data phantom --out "$work/study" --patients 30 --width 96 --height 112 >/dev/null 2>&1
command_of train "$work/model"
pfmvg "${command[@]}" >/dev/null 2>"$work/error" || { cat "$work/error" >&2; exit 1; }
tasks=(train eval prepare export)
command -v mpirun >/dev/null && tasks+=(ranks)
declare -A time result
for task in "${tasks[@]}"; do
    mkdir -p "$work/whole"
    command_of $task "$work/whole"
    began=$(date +%s%N)
    (start $task) >/dev/null 2>"$work/error" || { cat "$work/error" >&2; exit 1; }
    time[$task]=$((($(date +%s%N) - began) / 1000000))
    result[$task]=$(result_of "$work/whole")
    rm -rf "$work/whole"
    echo "  $task ${time[$task]} ms, $(wc -l <<<"${result[$task]}") results"
done

port=$((20000 + $$ % 12000)) # below those that clients are given
picture=$(find "$work/study" -name '*.jpg' | sort | sed -n 1p) # head would end the sorting, and so at times the script
serve() { # starts a server
    dotnet "$program" serve --from "$work/model/run/stage2" --set threads=1 --port $port >/dev/null 2>"$work/error" &
    running=$!
}
answers() { # waits until it answers
    for _ in $(seq 1200); do
        curl -fs "localhost:$port/v1/models" >/dev/null 2>&1 && return
        sleep 0.1
    done
    return 1
}
# Once: a server that has been killed is not waited for.
ask() {
    local again=(--retry 5 --retry-connrefused)
    [ "${1:-}" = once ] && again=()
    curl -fs -m 60 "${again[@]}" -F image=@"$picture" -F phrase='left pleural effusion' "localhost:$port/v1/ground"
}
began=$(date +%s%N)
serve
answers || { cat "$work/error" >&2; exit 1; }
result[serve]=$(ask | sha256sum) || { echo "the server answers no question:" >&2; cat "$work/error" >&2; exit 1; }
for _ in 1 2 3 4 5; do ask >/dev/null || true; done
time[serve]=$((($(date +%s%N) - began) / 1000000))
kill -9 $running && wait $running 2>/dev/null || true
running=
tasks+=(serve)

[ -s "$table" ] || printf 'number\tseed\ttask\tdisturbance\tsecond\texit code\toutcome\n' >"$table"
wrong=0
for ((number = first; number < first + count; number++)); do
    RANDOM=$((seed * 7919 + number))
    for _ in 1 2 3; do chance=$RANDOM; done # the first ones of neighbouring seeds are alike
    task=${tasks[$((chance % ${#tasks[@]}))]}
    case $task in
        ranks) kind=rank ;;
        serve) kind=kill ;;
        *) kinds=(kill kill full readonly); kind=${kinds[$((RANDOM % 4))]} ;;
    esac
    moment=$((${time[$task]} * (RANDOM % 1000) / 1000))
    seconds=$(awk "BEGIN { printf \"%.3f\", $moment / 1000 }")
    outcome=same code=-

    if [ $task = serve ]; then # killed while it starts or answers; the next one answers alike
        serve
        while kill -0 $running 2>/dev/null; do ask once; done >/dev/null 2>&1 &
        asking=$!
        sleep "$seconds"
        kill -9 $running 2>/dev/null || true
        code=0
        wait $running 2>/dev/null || code=$?
        wait $asking 2>/dev/null || true
        serve
        answers || outcome='does not start again'
        [ "$(ask | sha256sum)" = "${result[serve]}" ] || outcome='another answer'
        kill -9 $running 2>/dev/null || true
        wait $running 2>/dev/null || true
        running=
    else
        folder=$work/run-$number runner= limit=
        if [ $kind = full ] && [ $small = 1 ]; then folder=$disk/run-$number; fi
        mkdir -p "$folder"
        if [ $kind = readonly ] && [ "$root" = 1 ]; then # root may write everywhere
            runner="setpriv --reuid 65534 --regid 65534 --clear-groups"
            chmod 777 "$folder"
        fi
        [ $kind = full ] && [ $small = 0 ] && limit=$((1 + RANDOM % 200))
        command_of $task "$folder"
        ([ -n "$limit" ] && ulimit -f $limit; cd "$work"; start $task) >/dev/null 2>"$work/error" &
        running=$!
        sleep "$seconds"
        alive=$(kill -0 $running 2>/dev/null && echo 1 || echo 0)
        case $kind in
            kill) kill -9 $running 2>/dev/null || true ;;
            rank) victim=$(pgrep -P "$running" | sed -n "$((1 + RANDOM % 2))p" || true); [ -n "$victim" ] && kill -9 "$victim" 2>/dev/null || alive=0 ;;
            readonly) chmod -R a-w "$folder" ;;
            full) [ $small = 1 ] && { dd if=/dev/zero of="$disk/filler" bs=64k 2>/dev/null || true; } ;;
        esac
        for _ in $(seq 1200); do
            kill -0 $running 2>/dev/null || break
            sleep 0.1
        done
        kill -9 $running 2>/dev/null && outcome='did not end'
        code=0
        wait $running 2>/dev/null || code=$?
        running=
        [ $kind = readonly ] && chmod -R a+w "$folder"
        rm -f "$disk/filler"
        # Full and read-only disks are told in a sentence.
        if [ $kind = full ] || [ $kind = readonly ]; then
            [ $code -gt 2 ] && [ -z "$limit" ] && outcome="exit code $code"
            grep -q 'Unhandled exception\|^   at ' "$work/error" && outcome='a stack trace'
        fi
        said=$(tail -n 1 "$work/error" | tr '\t' ' ' | cut -c1-160)
        if [ "$outcome" = same ]; then
            again=
            [ -f "$folder/run/stage2/run.json" ] || [ -f "$folder/run/eval-train/run.json" ] && again=--resume
            [ $task = export ] && [ -e "$folder/export" ] && again=--overwrite
            command_of $task "$folder" $again
            if ! (start $task) >/dev/null 2>"$work/error"; then
                outcome="does not go on: $(tail -n 1 "$work/error" | tr '\t' ' ' | cut -c1-200)"
            elif [ "$(result_of "$folder")" != "${result[$task]}" ]; then
                outcome='other bytes'
                diff <(result_of "$folder") <(echo "${result[$task]}") >&2 || true
            elif [ "$alive" = 0 ]; then
                outcome=early
            fi
        fi
        case $outcome in same | early) ;; *) echo "$number $task $kind: $outcome; $said" >&2 ;; esac
        chmod -R u+w "$folder"
        rm -rf "$folder"
    fi

    printf '%d\t%d\t%s\t%s\t%s\t%s\t%s\n' $number "$seed" $task $kind "$seconds" "$code" "$outcome" >>"$table"
    case $outcome in same | early) ;; *) wrong=$((wrong + 1)) ;; esac
done
echo "$count disturbances, $wrong of them ended otherwise than an undisturbed run: $table"
[ $wrong = 0 ]
