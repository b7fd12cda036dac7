#!/usr/bin/env bash
# Installs what the tests need (Open MPI, Chromium, CharLS and OpenJPEG, when root on Debian or Ubuntu), builds, and runs all tests.
# The last line is the result: "N passed, N failed, N skipped".
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v mpirun >/dev/null 2>&1 || missing+=(openmpi-bin libopenmpi-dev)
command -v chromium >/dev/null 2>&1 || missing+=(chromium)
libraries=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null || true)
grep -qi 'libcharls\.so\.2' <<<"$libraries" || missing+=(libcharls2)
grep -q 'libopenjp2\.so\.7' <<<"$libraries" || missing+=(libopenjp2-7)
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing ${missing[*]} ..."
        apt-get update -qq || true
        for package in "${missing[@]}"; do # one that cannot be had must not keep the others away
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null \
                || echo "Could not install $package. The tests that need it are skipped." >&2
        done
    else
        echo "Missing: ${missing[*]}. The tests that need them are skipped. Install them with:" >&2
        echo "    sudo apt-get install ${missing[*]}      # RHEL: sudo dnf install openmpi openmpi-devel chromium CharLS openjpeg2" >&2
    fi
fi

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
status=0
dotnet build PFMVG.sln -c Release --nologo -v quiet || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
dotnet test PFMVG.sln -c Release --no-build --nologo --logger "trx;LogFileName=tests.trx" --results-directory "$results" "$@" || status=$?

counters=$(grep -o '<Counters [^>]*>' "$results"/tests.trx || true)
count() { sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p" <<<"$counters"; }
[ -n "$counters" ] || { echo "No test result was written."; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
total=$(count total) passed=$(count passed) failed=$(count failed)
[ "$failed" -gt 0 ] && status=1
echo "$passed passed, $failed failed, $((total - passed - failed)) skipped"
exit "$status"
