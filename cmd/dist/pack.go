package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/dnnc/dnnc/ir/version"
)

// stamp is the time of every file in a package: equal contents give equal bytes. Debian's
// lintian refuses those before 1984.
var stamp = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// entry is a file of a package.
type entry struct {
	name    string
	mode    fs.FileMode
	content []byte
}

// archive writes the compiler of a platform with its licences and its bill of materials, as
// the platform's users unpack it: zip on Windows, else tar. It returns the name.
func archive(dir, platform, binary string, licences, bill []byte) (string, error) {
	program, err := os.ReadFile(filepath.Join(dir, binary))
	if err != nil {
		return "", err
	}
	folder := "dnnc-" + version.Compiler + "-" + strings.ReplaceAll(platform, "/", "-")
	command := "dnnc" + strings.TrimPrefix(binary, folder)
	entries := []entry{{command, 0o755, program}, {"LICENSES.txt", 0o644, licences}, {"dnnc.cdx.json", 0o644, bill}}
	for i := range entries {
		entries[i].name = path.Join(folder, entries[i].name)
	}
	pack, ending := tarball, ".tar.gz"
	if strings.HasPrefix(platform, "windows/") {
		pack, ending = zipped, ".zip"
	}
	content, err := pack(entries)
	if err != nil {
		return "", err
	}
	return folder + ending, os.WriteFile(filepath.Join(dir, folder+ending), content, 0o644)
}

// tarball is a compressed archive of files, with the folders that they are in.
func tarball(entries []entry) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	t := tar.NewWriter(z)
	made := map[string]bool{".": true}
	var folders func(name string) error
	folders = func(name string) error {
		if made[name] {
			return nil
		}
		if err := folders(path.Dir(name)); err != nil {
			return err
		}
		made[name] = true
		return t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, ModTime: stamp, Uname: "root", Gname: "root"})
	}
	for _, e := range entries {
		if err := folders(path.Dir(e.name)); err != nil {
			return nil, err
		}
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: int64(e.mode), Size: int64(len(e.content)), ModTime: stamp, Uname: "root", Gname: "root"}); err != nil {
			return nil, err
		}
		if _, err := t.Write(e.content); err != nil {
			return nil, err
		}
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	err = z.Close()
	return out.Bytes(), err
}

// zipped is a zip archive of files.
func zipped(entries []entry) ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: stamp}
		h.SetMode(e.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return out.Bytes(), err
}
