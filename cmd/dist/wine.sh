#!/bin/sh
# Runs a release's binary for Windows: wine.sh FOLDER, where cmd/dist wrote it and the binary for
# this machine. Both must build and measure the same. Wine is Debian 13's, in a chroot: Debian 12's
# has no bcryptprimitives.dll, which Go's programs load first. Needs root and mmdebstrap.
set -eu
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "this machine is not of amd64: the Windows binary did not run"; exit 0; }
dist=$(realpath "$1")
here=$(cd "$(dirname "$0")/../.." && pwd)
root=$(mktemp -d)
end() {
	umount "$root/proc" 2>/dev/null || :
	rm -rf --one-file-system "$root"
}
trap end EXIT
mmdebstrap --quiet --variant=minbase --include=wine,wine64 trixie "$root"
mount -t proc proc "$root/proc"
mkdir "$root/here" "$root/windows"
for folder in here windows; do
	cp "$here"/testdata/lenet5/*.dnn "$here"/testdata/lenet5/*.safetensors "$here"/testdata/lenet5/*.gz "$root/$folder"
done
cp "$dist"/dnnc-*-linux-amd64 "$root/opt/dnnc"
cp "$dist"/dnnc-*-windows-amd64.exe "$root/opt/dnnc.exe"

# run FOLDER COMMAND...: what a user of that system does first
run() {
	(
		folder=$1
		shift
		chroot "$root" env WINEDEBUG=-all WINEPREFIX=/opt/prefix HOME=/opt sh -euc '
			cd "$0"
			"$@" build lenet5.dnn -target armv7em -emit c -images 64 -n 200 -o lenet5.c >/dev/null
			"$@" eval lenet5.dnn -images 64 -n 200 -errors none >eval.txt
		' "/$folder" "$@" 2>"$root/opt/err" || { cat "$root/opt/err" >&2; exit 1; }
	)
}
run here /opt/dnnc
run windows wine /opt/dnnc.exe
for file in lenet5.c lenet5.h lenet5.json eval.txt; do
	cmp "$root/here/$file" "$root/windows/$file"
done
echo "$(chroot "$root" wine --version 2>/dev/null): build -emit c and eval give the same files"
