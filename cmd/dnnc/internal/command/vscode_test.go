package command_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/frontend/syntax"
	"github.com/dnnc/dnnc/ir/version"
)

const extension = "editors/vscode/"

// TestExtension holds the extension of Visual Studio Code to the language and to its own files.
func TestExtension(t *testing.T) {
	var about struct {
		Version, Main string
		Contributes   struct {
			Languages []struct {
				Extensions    []string
				Configuration string
			}
			Grammars      []struct{ Path string }
			Configuration struct{ Properties map[string]any }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(read(t, extension+"package.json")), &about))
	assert.Equal(t, version.Compiler, about.Version)
	assert.Equal(t, []string{".dnn"}, about.Contributes.Languages[0].Extensions)
	code := read(t, extension+about.Main)
	for name := range about.Contributes.Configuration.Properties {
		assert.Contains(t, code, `settings.get("`+strings.TrimPrefix(name, "dnnc.")+`")`)
	}
	assert.True(t, json.Valid([]byte(read(t, extension+about.Contributes.Languages[0].Configuration))))
	grammar := read(t, extension+about.Contributes.Grammars[0].Path)
	require.True(t, json.Valid([]byte(grammar)))
	words := regexp.MustCompile(`\(([a-z|]+)\)\\\\b", "captures": \{ "1": \{ "name": "keyword.control`).FindStringSubmatch(grammar)
	require.NotNil(t, words)
	assert.ElementsMatch(t, syntax.Keywords(), strings.Split(words[1], "|"))
}

// TestExtensionWorks runs the extension's own test where its packages are installed: the grammar
// as the editor reads it, and a session of the client's library.
func TestExtensionWorks(t *testing.T) {
	dnnctest.Need(t, "node")
	dir, err := filepath.Abs(filepath.Join(dnnctest.Root, extension))
	require.NoError(t, err)
	if _, err := filepath.EvalSymlinks(filepath.Join(dir, "node_modules")); err != nil {
		t.Skip(err)
	}
	c := exec.Command("node", "test.js", dnnctest.Path(t))
	c.Dir = dir
	out, err := c.CombinedOutput()
	assert.NoError(t, err, string(out))
}
