package command_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
)

// TestReadmeOfPython: the reference of the Python package is the text of its functions and classes, in the README and so
// on the site.
func TestReadmeOfPython(t *testing.T) {
	raw, err := os.ReadFile(dnnctest.Root + "/cmd/dist/python/dnnc/__init__.py")
	require.NoError(t, err)
	var b strings.Builder
	for _, name := range []string{"compile", "check", "Result", "save", "Error"} {
		// The head of a function or class up to its colon, and the text under it.
		m := regexp.MustCompile(`(?ms)^( *)(?:def|class) (` + name + `\b.*?):\n\s+"""(.*?)"""`).FindStringSubmatch(string(raw))
		require.NotNil(t, m, name)
		head := strings.NewReplacer("self, ", "", "\n    ", "\n        ", "\n)", "\n    )").Replace(m[2])
		if m[1] != "" {
			head = "Result." + head
		}
		b.WriteString("    " + head + "\n\n")
		for _, paragraph := range strings.Split(m[3], "\n\n") {
			b.WriteString(strings.Join(strings.Fields(paragraph), " ") + "\n\n")
		}
	}
	text := strings.TrimRight(b.String(), "\n") + "\n"
	assert.Contains(t, text, "calib is a path of a data set, an array of N items")
	assert.NotContains(t, text, `"""`)
	generated(t, dnnctest.Root+"/cmd/dnnc/README.md", "Python", "TestReadmeOfPython", text)
}
