package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dnnc/dnnc/ir/version"
)

// The Python package without its compiler.
//
//go:embed python/dnnc/*.py python/dnnc/py.typed
var python embed.FS

// tags are the platforms of wheels, by those of Go: what static binaries and Go itself need.
var tags = map[string]string{
	"linux/amd64":   "manylinux2014_x86_64.manylinux_2_17_x86_64.musllinux_1_1_x86_64",
	"linux/arm64":   "manylinux2014_aarch64.manylinux_2_17_aarch64.musllinux_1_1_aarch64",
	"darwin/amd64":  "macosx_12_0_x86_64",
	"darwin/arm64":  "macosx_12_0_arm64",
	"windows/amd64": "win_amd64",
	"windows/arm64": "win_arm64",
}

// metadata is the core metadata of the package. The clang of ziglang compiles what dnnc
// writes; one of its own versions is the one that is tested.
const metadata = `Metadata-Version: 2.4
Name: dnnc
Version: %s
Summary: Compiler of deep neural networks for embedded processors
License-File: LICENSES.txt
Requires-Python: >=3.9
Requires-Dist: numpy
Provides-Extra: llvm
Requires-Dist: ziglang==0.17.1; extra == "llvm"
Description-Content-Type: text/markdown

dnnc compiles a trained deep neural network into a small fixed-point object file for an
embedded processor. It chooses the bit width of every layer so that the network still gives
the right answer when its inputs are disturbed.

    pip install dnnc[llvm]

    import dnnc
    result = dnnc.compile("model.onnx", target="armv7em", calib=images)
    result.save("build")

` + "`python -m dnnc`" + ` is the command line. Without the extra ` + "`llvm`" + ` and without LLVM 19 on
the machine, dnnc writes C: ` + "`dnnc.compile(..., emit=\"c\")`" + `.
`

// wheel writes the Python package of a platform, around a binary in dir, and returns its
// name. Equal contents give equal bytes.
func wheel(dir, platform, binary string, licences, bill []byte) (string, error) {
	tag, ok := tags[platform]
	if !ok {
		return "", fmt.Errorf("%s: no tag of a wheel", platform)
	}
	program, err := os.ReadFile(filepath.Join(dir, binary))
	if err != nil {
		return "", err
	}
	info := "dnnc-" + version.Compiler + ".dist-info/"
	var about strings.Builder
	about.WriteString("Wheel-Version: 1.0\nGenerator: dnnc\nRoot-Is-Purelib: false\n")
	for _, t := range strings.Split(tag, ".") {
		fmt.Fprintf(&about, "Tag: py3-none-%s\n", t)
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	var record strings.Builder
	add := func(name string, mode fs.FileMode, content []byte) error {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(content))
		_, err = w.Write(content)
		return err
	}
	sources, err := fs.Glob(python, "python/dnnc/*")
	if err != nil {
		return "", err
	}
	for _, path := range sources {
		content, err := python.ReadFile(path)
		if err != nil {
			return "", err
		}
		if err := add(strings.TrimPrefix(path, "python/"), 0o644, content); err != nil {
			return "", err
		}
	}
	command := "dnnc/dnnc"
	if strings.HasPrefix(platform, "windows/") {
		command += ".exe"
	}
	for _, f := range []struct {
		name    string
		mode    fs.FileMode
		content []byte
	}{
		{command, 0o755, program},
		{info + "licenses/LICENSES.txt", 0o644, licences},
		{info + "sboms/dnnc.cdx.json", 0o644, bill},
		{info + "METADATA", 0o644, fmt.Appendf(nil, metadata, version.Compiler)},
		{info + "WHEEL", 0o644, []byte(about.String())},
		{info + "entry_points.txt", 0o644, []byte("[console_scripts]\ndnnc = dnnc.__main__:main\n")},
	} {
		if err := add(f.name, f.mode, f.content); err != nil {
			return "", err
		}
	}
	record.WriteString(info + "RECORD,,\n")
	w, err := z.CreateHeader(&zip.FileHeader{Name: info + "RECORD", Method: zip.Deflate})
	if err != nil {
		return "", err
	}
	if _, err := w.Write([]byte(record.String())); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	name := fmt.Sprintf("dnnc-%s-py3-none-%s.whl", version.Compiler, tag)
	return name, os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o644)
}
