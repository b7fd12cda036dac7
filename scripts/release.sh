#!/usr/bin/env bash
# Makes artifacts/pfmvg-VERSION-linux-x64.tar.gz, which runs without .NET, and its SHA-256 file: docs/release.md.
# The same commit, built with the same SDK on the same system, gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
newest_glibc=2.36 # of Debian 12

die() { echo "release: $1" >&2; exit 1; }

name=pfmvg-$(dotnet msbuild src/Pfmvg.Cli -getProperty:Version)-linux-x64
folder=artifacts/$name
rm -rf "$folder" "$folder.tar.gz" "$folder.tar.gz.sha256"

# A build of its own, so that the developer's bin/ and obj/ stay as they are.
dotnet publish src/Pfmvg.Cli -c Release --nologo -v quiet -nodeReuse:false --artifacts-path artifacts/build -o "$folder/lib" \
    -p:SelfContained=true -p:RestoreLockedMode=true -p:DisableTransitiveFrameworkReferenceDownloads=true \
    -p:ContinuousIntegrationBuild=true -p:PublishDocumentationFiles=false

# .NET cannot hash without OpenSSL, and a bare Debian has none: this machine's copy goes along for such systems.
for library in libcrypto.so.3 libssl.so.3; do
    found=$(PATH=$PATH:/sbin ldconfig -p | sed -n "s|.*$library (libc6,x86-64) => ||p" | sed -n 1p)
    [ -n "$found" ] || die "$library is not on this machine; install OpenSSL 3 (Debian: apt-get install libssl3)."
    cp -L "$found" "$folder/lib/$library"
done
needed=$(grep -aohE 'GLIBC_2\.[0-9]+' "$folder"/lib/{*.so*,pfmvg} | sed 's/GLIBC_//' | sort -uV | tail -n 1)
[ "$(printf '%s\n' "$needed" "$newest_glibc" | sort -V | tail -n 1)" = "$newest_glibc" ] ||
    die "a library from this machine needs glibc $needed, newer than Debian 12's $newest_glibc; make the release on Debian 12."

# Every package with its licence: its own files where it has them, else the text that it names.
mkdir "$folder/licenses"
cp build/licenses/* "$folder/licenses/"
packages=$(dotnet nuget locals global-packages --list | sed 's/^global-packages: //')
used=$(sed -n 's/^ *"path": "\(.*\)".*/\1/p' "$folder/lib/pfmvg.deps.json")
runtime=$(sed -n 's|^ *"runtimepack\.\(Microsoft.*/[^"]*\)": {.*|\1|p' "$folder/lib/pfmvg.deps.json" | sort -u)
{
    echo "PFMVG contains these packages. A folder of that name holds the licence and notices that came with the package;"
    echo "for the others the licence's text is beside this file."
    for package in $used ${runtime,,}; do
        nuspec=$(echo "$packages/$package"/*.nuspec)
        field() { sed -n "s|.*<$1[^>]*>\([^<]*\)</$1>.*|\1|p" "$nuspec" | sed -n 1p; }
        printf '\n%s\n    licence:   %s\n    copyright: %s\n    home:      %s\n' "$package" "$(field license)" \
            "$(field copyright | grep . || field authors)" "$(field projectUrl)"
        own=$folder/licenses/${package%/*} known=
        for text in "$packages/$package"/{LICENSE,NOTICE,THIRD-PARTY}*; do
            [ ! -f "$text" ] || { mkdir -p "$own" && cp "$text" "$own/"; }
        done
        for word in $(field license); do [ ! -f "build/licenses/$word.txt" ] || known=yes; done
        [ -d "$own" ] || [ -n "$known" ] ||
            die "$package brings no licence text and names '$(field license)'; put that text into build/licenses/."
    done
    printf '\nlibtorch holds libgomp (GPL-3.0 with the GCC Runtime Library Exception) and oneMKL (Intel Simplified Software License).\n'
    printf '\nOpenSSL (libcrypto.so.3, libssl.so.3), of the system that made this archive\n    licence:   Apache-2.0\n'
    printf '    home:      https://www.openssl.org\n'
} > "$folder/licenses/PACKAGES.txt"

for file in LICENSE NOTICE CITATION.cff README.md CHANGELOG.md configs data-manifests docs scripts/slurm; do
    [ -e "$file" ] && cp -r --parents "$file" "$folder/"
done
ln -s lib/pfmvg "$folder/pfmvg"

date=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
tar -C artifacts --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$date" -cf - "$name" |
    gzip -n > "$folder.tar.gz"
rm -rf "$folder"
(cd artifacts && sha256sum "$name.tar.gz" > "$name.tar.gz.sha256")
echo "$folder.tar.gz: $(du -h --apparent-size "$folder.tar.gz" | cut -f 1), needs glibc $needed"
