package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the table of operations in the README")

// TestReadmeListsOperations holds the README's table to what dnnc ops prints.
func TestReadmeListsOperations(t *testing.T) {
	const path, begin, end = "../../README.md", "-update -->\n\n", "<!-- end of operations -->"
	readme, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(readme), begin)
	require.True(t, ok)
	got, after, ok := strings.Cut(rest, end)
	require.True(t, ok)
	code, want, stderr := dnnc(t, "ops")
	require.Zero(t, code, stderr)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(before+begin+want+"\n"+end+after), 0o644))
		return
	}
	assert.Equal(t, want, strings.TrimSuffix(got, "\n"))
}
