#!/usr/bin/env bash
# Unpacks a release and runs it as a machine without .NET would: `doctor`, then a small evaluation, which draws its pictures,
# loads the model, answers and writes a report. Where the system allows it, the program sees a root folder that holds the
# archive, glibc and the C++ runtime, and nothing else.
#     scripts/release-check.sh [ARCHIVE [ROOT]]     ROOT: run in this system, for example debootstrap's, instead
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
archive=${1:-$repository/artifacts/pfmvg-$(dotnet msbuild "$repository/src/Pfmvg.Cli" -getProperty:Version)-linux-x64.tar.gz}

die() { echo "release-check: $1" >&2; exit 1; }

[ -f "$archive" ] || die "$archive is not there; scripts/release.sh makes it."
(cd "$(dirname "$archive")" && sha256sum --quiet -c "$(basename "$archive").sha256")

trap 'rm -rf "${home:-}" "${own:-}"' EXIT
root=${2:-$(mktemp -d)}
[ -n "${2:-}" ] || own=$root
home=$(mktemp -d "$root/pfmvg.XXXXXX")
tar -C "$home" -xzf "$archive" --strip-components=1
if [ -n "${own:-}" ]; then # what .NET asks for is all that this root holds
    mkdir "$root"/{dev,proc,tmp}
    for library in $(ldd "$home/lib/libcoreclr.so" | grep -o '/[^ ]*'); do cp -L --parents "$library" "$root/"; done
fi

enter='mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
launch=(unshare --map-root-user --mount --pid --fork sh -c "$enter" "$root")
path=/usr/sbin:/usr/bin:/sbin:/bin
seen=/${home#"$root/"} # the archive's folder as the program sees it
pfmvg() { env -i "PATH=$path" "HOME=$seen" "${launch[@]}" "$seen/pfmvg" "$@"; }

if pfmvg --version > /dev/null 2>&1; then
    echo "In ${2:-a root folder of its own}:"
elif [ -n "${own:-}" ]; then
    launch=() path=/nowhere seen=$home
    echo "This system allows no root folder of its own; without one:"
else
    die "the program does not start in $root."
fi
pfmvg doctor
pfmvg eval --split test --from base --set "workspace=$seen/study" --set phantom.patients=12 | tee "$home/table"
answers=$(wc -l < "$home/study/runs/tiny/eval-test/predictions.jsonl")
[ "$answers" -gt 0 ] && grep -q "n = $answers phrases," "$home/table" ||
    die "$answers answers were written, but the table has another number."
[ -s "$home/study/runs/tiny/eval-test/overlay.png" ] || die "the overlay was not drawn."
echo "release-check: $(basename "$archive") runs."
