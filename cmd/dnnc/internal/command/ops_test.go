package command_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/cmd/internal/markers"
)

var update = flag.Bool("update", false, "write the generated tables of the documents")

// TestReadmeListsOperations holds frontend/README.md to what dnnc ops prints, a table
// whose rows have as many cells as its head.
func TestReadmeListsOperations(t *testing.T) {
	code, want, stderr := dnnctest.Run(t, "ops")
	require.Zero(t, code, stderr)
	rowsAreWhole(t, want)
	generated(t, dnnctest.Root+"/frontend/README.md", "operations", "ReadmeListsOperations", want)
}

// TestReadmeListsCommands holds the README of cmd/dnnc to the tables of commands and
// flags.
func TestReadmeListsCommands(t *testing.T) {
	text := command.AboutAll().Markdown()
	rowsAreWhole(t, text)
	for _, title := range command.Titles() {
		assert.Contains(t, text, "| `"+strings.ReplaceAll(title, "|", `\|`)+"` |")
	}
	command.AllFlags().VisitAll(func(f *flag.Flag) { assert.Regexp(t, "(?m)^\\| `-"+f.Name+"[` ]", text) })
	assert.Regexp(t, "(?m)^\\| `-sheet file` .* \\| disturb \\|$", text)
	generated(t, dnnctest.Root+"/cmd/dnnc/README.md", "commands", "ReadmeListsCommands", text)
}

// rowsAreWhole: no text of a cell ends its cell.
func rowsAreWhole(t *testing.T, tables string) {
	t.Helper()
	cells := 0
	for _, line := range strings.Split(tables, "\n") {
		n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		if cells > 0 && n > 0 {
			assert.Equal(t, cells, n, line)
		}
		cells = n
	}
}

// generated holds the part of a document between its marker lines to the text that a test
// makes, or writes it there with -update.
func generated(t *testing.T, path, part, test, want string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	begin, end := "<!-- "+part+": go test ./cmd/dnnc/internal/command -run "+test+" -update -->", "<!-- end of "+part+" -->"
	whole, err := markers.Replace(text, begin, end, want)
	require.NoError(t, err, path)
	if *update {
		require.NoError(t, os.WriteFile(path, whole, 0o644))
		return
	}
	assert.Equal(t, string(whole), string(text), "go test ./cmd/dnnc/internal/command -run %s -update writes %s", test, path)
}
