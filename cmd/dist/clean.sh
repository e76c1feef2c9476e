#!/bin/sh
# Installs what a release has in a Debian 12 with nothing but Python 3.11 in it, and uses it
# there as a newcomer would: clean.sh FOLDER, where cmd/dist wrote the release. Needs root and
# mmdebstrap; the wheel's extra llvm and PyTorch come from PyPI.
set -eu
dist=$(realpath "$1")
here=$(cd "$(dirname "$0")/../.." && pwd)
root=$(mktemp -d)
end() {
	umount "$root/proc" 2>/dev/null || :
	rm -rf --one-file-system "$root"
}
trap end EXIT
mmdebstrap --quiet --variant=minbase --include=python3-venv,ca-certificates bookworm "$root"
cp "$dist"/*manylinux*.whl "$dist"/*_"$(dpkg --print-architecture)".deb "$root/opt"
cp "$here"/testdata/lenet5/lenet5.onnx "$here"/testdata/lenet5/fashion-train-*.gz "$root/opt"
# The way to the network of this machine.
cp /etc/resolv.conf "$root/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
[ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/"
mount -t proc proc "$root/proc"

run() {
	echo "== $1"
	env -u PIP_FIND_LINKS chroot "$root" sh -euc "cd /opt; $2" # a folder of this machine
}

run "the wheel, and three lines of Python for ONNX" '
	python3 -m venv py
	py/bin/pip install -q "$(ls *.whl)[llvm]"
	cat >three.py <<-END
		import dnnc
		result = dnnc.compile("lenet5.onnx", target="armv7em", calib="fashion-train-images-idx3-ubyte.gz")
		print([p.name for p in result.save("onnx")])
	END
	py/bin/python three.py
	py/bin/python -m dnnc build lenet5.onnx -target armv7em -calib fashion-train-images-idx3-ubyte.gz -o onnx/again.o'
run "no emulator: verify says which package has it" '
	! py/bin/python -m dnnc verify onnx/again.o -n 3 2>missing
	cat missing
	grep -q "apt-get install qemu-system-arm" missing'
run "verify with qemu" '
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends qemu-system-arm >/dev/null
	py/bin/python -m dnnc verify onnx/again.o -n 3'
run "a torch module" '
	py/bin/pip install -q torch onnxscript
	cat >four.py <<-END
		import dnnc, numpy, torch
		net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 26 * 26, 3))
		result = dnnc.compile(net, target="armv7em", calib=numpy.random.default_rng(1).random((32, 1, 28, 28), dtype="float32"))
		print(result.name, result.certificate["target"], len(result.object))
	END
	py/bin/python four.py'
run "the Debian package, without LLVM: C" '
	apt-get install -y -qq --no-install-recommends ./*.deb >/dev/null
	dnnc demo c | tail -3
	rm -rf c'
run "the Debian package and what it recommends: an object that is verified" '
	apt-get install -y -qq --no-install-recommends llvm-19 lld-19 >/dev/null
	dnnc demo obj | tail -4
	apt-get install -y -qq --no-install-recommends qemu-user >/dev/null
	dnnc verify obj/lenet5.o -n 3'
