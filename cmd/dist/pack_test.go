package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// untar is the files of an archive, by their names.
func untar(t *testing.T, content string) map[string]string {
	z, err := gzip.NewReader(strings.NewReader(content))
	require.NoError(t, err)
	files := map[string]string{}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		require.NoError(t, err)
		assert.True(t, stamp.Equal(h.ModTime), h.Name)
		if h.Typeflag == tar.TypeReg {
			raw, err := io.ReadAll(r)
			require.NoError(t, err)
			files[h.Name] = string(raw)
		}
	}
}

// checkDeb reads a Debian package as dpkg does, holds it to the other files of the release, and
// has lintian look at it where that is installed.
func checkDeb(t *testing.T, content string, release map[string]string) {
	rest, is := strings.CutPrefix(content, "!<arch>\n")
	require.True(t, is)
	members := map[string]string{}
	for len(rest) > 0 {
		size, err := strconv.Atoi(strings.TrimSpace(rest[48:58]))
		require.NoError(t, err)
		assert.Equal(t, "`\n", rest[58:60])
		members[strings.TrimSpace(rest[:16])] = rest[60 : 60+size]
		rest = rest[60+size+size%2:]
	}
	assert.Equal(t, "2.0\n", members["debian-binary"])
	about, files := untar(t, members["control.tar.gz"]), untar(t, members["data.tar.gz"])
	assert.Contains(t, about["./control"], "Package: dnnc\n")
	for line := range strings.Lines(about["./md5sums"]) {
		assert.Contains(t, files, "./"+strings.Fields(line)[1])
	}
	assert.Equal(t, len(files), strings.Count(about["./md5sums"], "\n"))
	for name, binary := range release {
		if strings.HasPrefix(name, "dnnc-") && !strings.Contains(strings.TrimPrefix(name, "dnnc-0"), ".tar") && strings.HasSuffix(name, "linux-"+regexp.MustCompile(`Architecture: (\w+)`).FindStringSubmatch(about["./control"])[1]) {
			assert.True(t, files["./usr/bin/dnnc"] == binary, "the compiler is that of the release")
		}
	}
	z, err := gzip.NewReader(strings.NewReader(files["./usr/share/doc/dnnc/LICENSES.txt.gz"]))
	require.NoError(t, err)
	texts, err := io.ReadAll(z)
	require.NoError(t, err)
	assert.Equal(t, release["LICENSES.txt"], string(texts))
	path := filepath.Join(t.TempDir(), "dnnc.deb")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	for _, tool := range [][]string{{"dpkg-deb", "--contents", path}, {"lintian", "--fail-on", "error", "--allow-root", path}} {
		if _, err := exec.LookPath(tool[0]); err != nil {
			continue
		}
		out, err := exec.Command(tool[0], tool[1:]...).CombinedOutput()
		assert.NoError(t, err, "%s\n%s", tool[0], out)
	}
}

// TestArchiveOfWindows is a zip with a program that Windows runs.
func TestArchiveOfWindows(t *testing.T) {
	dir := t.TempDir()
	name, err := buildName("windows/amd64")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("MZ"), 0o644))
	packed, err := archive(dir, "windows/amd64", name, []byte("licences"), []byte("{}"))
	require.NoError(t, err)
	content, err := os.ReadFile(filepath.Join(dir, packed))
	require.NoError(t, err)
	r, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	require.NoError(t, err)
	var names []string
	for _, f := range r.File {
		names = append(names, f.Name)
	}
	folder := strings.TrimSuffix(name, ".exe")
	assert.Equal(t, []string{folder + "/dnnc.exe", folder + "/LICENSES.txt", folder + "/dnnc.cdx.json"}, names)
	_, err = deb("", dir, "windows/amd64", name, nil, nil)
	assert.ErrorContains(t, err, "no architecture of Debian")
}

// TestContainers: each file copies what a release has and installs packages of the Makefile's.
// Nothing builds them here.
func TestContainers(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	for _, name := range []string{"compile", "verify"} {
		text, err := containers.ReadFile("container/" + name + ".Containerfile")
		require.NoError(t, err)
		copies := regexp.MustCompile(`(?m)^COPY (\S+) `).FindAllStringSubmatch(string(text), -1)
		require.Len(t, copies, 1)
		for _, arch := range architectures {
			ok, err := filepath.Match(strings.ReplaceAll(copies[0][1], "${TARGETARCH}", arch), "dnnc_0.9.0_"+arch+".deb")
			require.NoError(t, err)
			assert.True(t, ok, arch)
		}
		installs := regexp.MustCompile(`--no-install-recommends (.*?) /tmp`).FindStringSubmatch(string(text))
		require.NotNil(t, installs)
		for _, p := range strings.Fields(installs[1]) {
			assert.Regexp(t, `(?m)\b`+regexp.QuoteMeta(p)+`\b`, string(makefile))
		}
		assert.Contains(t, string(text), "USER dnnc")
	}
}
