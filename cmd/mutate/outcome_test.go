package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOutcomes runs a module whose tests notice one change, never end with another, and
// overlook the third; and one whose tests fail as it is.
func TestOutcomes(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write("go.mod", "module p\n\ngo 1.24\n")
	const text = "package p\n\nfunc f(n int) int {\n\ts := 0\n\tfor i := 0; i < n; i++ {\n\t\ts += i\n\t}\n\treturn s + 0*n\n}\n"
	write("p.go", text)
	const tests = "package p\n\nimport \"testing\"\n\nfunc TestF(t *testing.T) {\n\tif f(3) != 3 || f(0) != 0 {\n\t\tt.Fatal()\n\t}\n}\n"
	write("p_test.go", tests)
	o := options{n: 1, workers: 1, timeout: 2 * time.Second}
	for _, c := range []struct {
		line, col int
		from, to  string
		want      outcome
	}{
		{5, 16, "<", ">=", killed},
		{5, 22, "++", "--", timeout},
		{8, 11, "+", "-", survived},
		{6, 5, "+=", "=+=", broken},
	} {
		m := &mutant{File: "p.go", Line: c.line, Col: c.col, From: c.from, To: c.to}
		got, err := test(context.Background(), o, filepath.Join(dir, "work"), ".", m)
		require.NoError(t, err)
		assert.Equal(t, c.want, got, "%s to %s", c.from, c.to)
	}
	got, err := test(context.Background(), o, dir, ".", nil)
	require.NoError(t, err)
	assert.Equal(t, survived, got, "as it is")
	write("p_test.go", "package p\n\nimport \"testing\"\n\nfunc TestF(t *testing.T) { t.Fatal() }\n")
	got, err = test(context.Background(), o, dir, ".", nil)
	require.NoError(t, err)
	assert.Equal(t, killed, got)
}
