package main

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRelease builds the release of this machine twice.
func TestRelease(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("builds the compiler twice")
	}
	t.Chdir("../..")
	var got [2]map[string]string
	for i := range got {
		dir := t.TempDir()
		require.NoError(t, release(dir, []string{"linux/" + runtime.GOARCH}))
		got[i] = map[string]string{}
		list, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range list {
			content, err := os.ReadFile(filepath.Join(dir, e.Name()))
			require.NoError(t, err)
			got[i][e.Name()] = string(content)
		}
	}
	for name, content := range got[0] {
		assert.True(t, content == got[1][name], name)
		if name != "SHA256SUMS" {
			assert.Contains(t, got[0]["SHA256SUMS"], fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(content)), name))
		}
		switch {
		case strings.HasSuffix(name, ".deb"):
			checkDeb(t, content, got[0])
		case strings.HasSuffix(name, ".tar.gz"):
			entries := untar(t, content)
			folder := strings.TrimSuffix(name, ".tar.gz")
			assert.True(t, entries[folder+"/dnnc"] == got[0][folder])
			assert.Equal(t, got[0]["LICENSES.txt"], entries[folder+"/LICENSES.txt"])
			assert.Len(t, entries, 3)
		case strings.HasSuffix(name, runtime.GOARCH):
			f, err := elf.NewFile(strings.NewReader(content))
			require.NoError(t, err)
			assert.Nil(t, f.Section(".interp"), "static")
		case strings.HasSuffix(name, ".whl"):
			checkWheel(t, content, got[0])
		case strings.HasSuffix(name, ".cdx.json"):
			var bom struct{ Components []component }
			require.NoError(t, json.Unmarshal([]byte(content), &bom))
			names := map[string]bool{}
			for _, c := range bom.Components {
				names[c.Name] = true
				if c.Type == "library" {
					assert.Contains(t, got[0]["LICENSES.txt"], strings.Replace(c.Name+" "+c.Version, "std", "Go", 1))
				}
			}
			assert.True(t, names["github.com/llir/llvm"] && names["std"] && names["fashion-mnist"] && !names["github.com/stretchr/testify"], "what is linked, and no more")
		}
	}
	own, err := os.ReadFile("LICENSE")
	require.NoError(t, err)
	assert.Contains(t, got[0]["LICENSES.txt"], strings.TrimSpace(string(own)), "dnnc's own")
	sample, err := os.ReadFile("testdata/lenet5/LICENSE.fashion-mnist")
	require.NoError(t, err)
	assert.Contains(t, got[0]["LICENSES.txt"], strings.TrimSpace(string(sample)), "of the sample that the binary carries")
	assert.Len(t, got[0], 9)
	assert.ErrorContains(t, release(t.TempDir(), []string{"plan10/amd64"}), "plan10/amd64")
	assert.ErrorContains(t, release(t.TempDir(), []string{"linux"}), "no platform")
}
