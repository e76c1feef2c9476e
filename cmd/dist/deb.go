package main

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dnnc/dnnc/ir/version"
)

// architectures are Debian's, by the platforms that have a package.
var architectures = map[string]string{"linux/amd64": "amd64", "linux/arm64": "arm64"}

const maintainer = "dnnc <dnnc@users.noreply.github.com>"

// control is the description of the package. The binary is static: LLVM makes objects, without
// it dnnc writes C, and emulators are for verify and bench.
const control = `Package: dnnc
Version: %s
Section: devel
Priority: optional
Architecture: %s
Maintainer: ` + maintainer + `
Installed-Size: %d
Recommends: llvm-19, lld-19
Suggests: qemu-user, qemu-system-arm
Homepage: https://github.com/dnnc/dnnc
Description: compiler of deep neural networks for embedded processors
 dnnc compiles a trained deep neural network into a small fixed-point object
 file for an embedded processor. It chooses the bit width of every layer so
 that the network still gives the right answer when its inputs are disturbed.
`

// copyright says where the texts of the licences are, which Debian wants in no copyright file.
const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: dnnc
Source: https://github.com/dnnc/dnnc

Files: *
Copyright: the authors of dnnc and of the modules that it is linked with
License: dnnc-and-modules
 dnnc is under the Apache License, version 2.0, which is in
 /usr/share/common-licenses/Apache-2.0 on Debian. The binary is dnnc, Go's
 library, modules, each under its own licence, and a sample of Fashion-MNIST
 under the MIT licence: LICENSES.txt.gz in this folder has all texts.
`

// deb writes the Debian package of a platform, around a binary in dir, and returns its name. Tool
// is a dnnc that runs here.
func deb(tool, dir, platform, binary string, licences, bill []byte) (string, error) {
	arch, ok := architectures[platform]
	if !ok {
		return "", fmt.Errorf("%s: no architecture of Debian", platform)
	}
	program, err := os.ReadFile(filepath.Join(dir, binary))
	if err != nil {
		return "", err
	}
	said := func(words ...string) ([]byte, error) {
		out, err := exec.Command(tool, words...).Output()
		if err != nil {
			return nil, fmt.Errorf("dnnc %s: %v", strings.Join(words, " "), err)
		}
		return out, nil
	}
	manual, err := said("man")
	if err != nil {
		return "", err
	}
	changes := fmt.Sprintf("dnnc (%s) unstable; urgency=medium\n\n  * CHANGELOG.md of the sources has the changes.\n\n -- %s  %s\n", version.Compiler, maintainer, stamp.Format(time.RFC1123Z))
	const doc = "./usr/share/doc/dnnc/"
	entries := []entry{
		{"./usr/bin/dnnc", 0o755, program},
		{doc + "changelog.gz", 0o644, compressed([]byte(changes))},
		{doc + "copyright", 0o644, []byte(copyright)},
		{doc + "LICENSES.txt.gz", 0o644, compressed(licences)},
		{doc + "dnnc.cdx.json", 0o644, bill},
		// Go links statically.
		{"./usr/share/lintian/overrides/dnnc", 0o644, []byte("dnnc: statically-linked-binary [usr/bin/dnnc]\n")},
		{"./usr/share/man/man1/dnnc.1.gz", 0o644, compressed(manual)},
	}
	for shell, path := range map[string]string{"bash": "bash-completion/completions/dnnc", "zsh": "zsh/vendor-completions/_dnnc", "fish": "fish/vendor_completions.d/dnnc.fish"} {
		text, err := said("completion", shell)
		if err != nil {
			return "", err
		}
		entries = append(entries, entry{"./usr/share/" + path, 0o644, text})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	size := 0
	var sums strings.Builder
	for _, e := range entries {
		size += (len(e.content) + 1023) / 1024
		fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(e.content), strings.TrimPrefix(e.name, "./"))
	}
	about, err := tarball([]entry{{"./control", 0o644, fmt.Appendf(nil, control, version.Compiler, arch, size)}, {"./md5sums", 0o644, []byte(sums.String())}})
	if err != nil {
		return "", err
	}
	content, err := tarball(entries)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	out.WriteString("!<arch>\n")
	for _, member := range []entry{{"debian-binary", 0, []byte("2.0\n")}, {"control.tar.gz", 0, about}, {"data.tar.gz", 0, content}} {
		fmt.Fprintf(&out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", member.name, stamp.Unix(), 0, 0, "100644", len(member.content))
		out.Write(member.content)
		if len(member.content)%2 == 1 {
			out.WriteByte('\n')
		}
	}
	name := fmt.Sprintf("dnnc_%s_%s.deb", version.Compiler, arch)
	return name, os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o644)
}

// compressed is a file as gzip -9n makes it.
func compressed(content []byte) []byte {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is one
	}
	_, _ = z.Write(content) // a buffer takes everything
	_ = z.Close()
	return out.Bytes()
}
