package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// checkWheel holds a wheel to its own record and to the other files of the release, and
// runs its compiler by Python where that is installed.
func checkWheel(t *testing.T, content string, release map[string]string) {
	r, err := zip.NewReader(strings.NewReader(content), int64(len(content)))
	require.NoError(t, err)
	assert.Less(t, len(content), 40<<20, "small enough for an index")
	dir := t.TempDir()
	files := map[string]string{}
	for _, f := range r.File {
		in, err := f.Open()
		require.NoError(t, err)
		raw, err := io.ReadAll(in)
		require.NoError(t, err)
		files[f.Name] = string(raw)
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, raw, f.Mode().Perm()|0o600))
	}
	last := r.File[len(r.File)-1].Name
	require.True(t, strings.HasSuffix(last, ".dist-info/RECORD"))
	lines := strings.Split(strings.TrimSpace(files[last]), "\n")
	assert.Len(t, lines, len(files), "each file has its line")
	for _, line := range lines {
		name, _, _ := strings.Cut(line, ",")
		sum := sha256.Sum256([]byte(files[name]))
		if name != last {
			assert.Equal(t, fmt.Sprintf("%s,sha256=%s,%d", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(files[name])), line)
		}
	}
	info := strings.TrimSuffix(last, "RECORD")
	assert.Equal(t, release["LICENSES.txt"], files[info+"licenses/LICENSES.txt"])
	for name, content := range release {
		if strings.HasSuffix(name, runtime.GOARCH) {
			assert.True(t, content == files["dnnc/dnnc"], "the compiler is that of the release")
		}
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return
	}
	c := exec.Command(python, "-m", "dnnc", "version")
	c.Env = append(os.Environ(), "PYTHONPATH="+dir, "PYTHONDONTWRITEBYTECODE=1")
	out, err := c.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "dnnc")
	_, err = wheel(dir, "plan10/amd64", "dnnc/dnnc", nil, nil)
	assert.ErrorContains(t, err, "plan10/amd64")
}

// TestWheelsOfOtherPlatforms: the name of each wheel has the tags that it says inside, and its
// compiler is called as Python on that platform calls it. Nothing runs these here.
func TestWheelsOfOtherPlatforms(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "program"), []byte("program"), 0o755))
	for _, platform := range platforms {
		name, err := wheel(dir, platform, "program", nil, nil)
		require.NoError(t, err, platform)
		r, err := zip.OpenReader(filepath.Join(dir, name))
		require.NoError(t, err, platform)
		defer r.Close()
		command := map[bool]string{true: "dnnc/dnnc.exe", false: "dnnc/dnnc"}[strings.HasPrefix(platform, "windows/")]
		found := false
		for _, f := range r.File {
			in, err := f.Open()
			require.NoError(t, err)
			raw, err := io.ReadAll(in)
			require.NoError(t, err)
			if f.Name == command {
				found = string(raw) == "program" && f.Mode().Perm() == 0o755
			}
			if strings.HasSuffix(f.Name, "/WHEEL") {
				var tags []string
				for _, line := range strings.Split(string(raw), "\n") {
					if tag, ok := strings.CutPrefix(line, "Tag: py3-none-"); ok {
						tags = append(tags, tag)
					}
				}
				assert.True(t, strings.HasSuffix(name, "-py3-none-"+strings.Join(tags, ".")+".whl"), name)
			}
		}
		assert.True(t, found, "%s has no %s", name, command)
	}
}
