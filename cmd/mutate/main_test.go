package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const source = `package p

func f(a, b int) int {
	if a <= b && b != 3 {
		a -= b << 2
	}
	return a &^ b
}
`

// TestRead: a line of the listing is an operator and what replaces it.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		kind      string
		line, col int
		from, to  string
	}{
		{"CONDITIONALS_BOUNDARY", 4, 7, "<=", "<"},
		{"CONDITIONALS_NEGATION", 4, 7, "<=", ">"},
		{"INVERT_LOGICAL", 4, 12, "&&", "||"},
		{"CONDITIONALS_NEGATION", 4, 17, "!=", "=="},
		{"INVERT_ASSIGNMENTS", 5, 5, "-=", "+="},
		{"REMOVE_SELF_ASSIGNMENTS", 5, 5, "-=", "="},
		{"INVERT_BITWISE", 5, 10, "<<", ">>"},
		{"INVERT_BITWISE", 7, 11, "&^", "&"},
	} {
		m := read([]byte(source), c.kind, c.line, c.col)
		require.NotNil(t, m, "%+v", c)
		assert.Equal(t, []string{c.from, c.to}, []string{m.From, m.To})
		got := strings.Split(string(m.apply([]byte(source))), "\n")
		want := strings.Split(source, "\n")
		want[c.line-1] = want[c.line-1][:c.col-1] + c.to + want[c.line-1][c.col-1+len(c.from):]
		assert.Equal(t, want, got)
		assert.Equal(t, strings.TrimSpace(strings.Split(source, "\n")[c.line-1]), m.Text)
	}
	assert.Nil(t, read([]byte(source), "INVERT_LOOPCTRL", 4, 7))
	assert.Nil(t, read([]byte(source), "INVERT_LOGICAL", 4, 5))
}

// TestEqualPrograms: each has a reason, over one line or more.
func TestEqualPrograms(t *testing.T) {
	file := filepath.Join(t.TempDir(), "equal.txt")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o644)) }
	write("# the list\n\na.go: < became <= at column 3 of: x < y\n  it ends\n  there\nb.go: one\n  two\n")
	list, err := equals(file)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a.go: < became <= at column 3 of: x < y": "it ends there", "b.go: one": "two"}, list)
	for _, text := range []string{"a\nb\n  reason\n", "a\n  reason\nb\n"} {
		write(text)
		_, err = equals(file)
		assert.ErrorContains(t, err, "no reason for")
	}
	list, err = equals(filepath.Join(t.TempDir(), "none"))
	require.NoError(t, err)
	assert.Empty(t, list)
}

// TestEqualListIsOfToday: what the list says of a line still stands in its file.
func TestEqualListIsOfToday(t *testing.T) {
	list, err := equals("equal.txt")
	require.NoError(t, err)
	for id := range list {
		file, _, _ := strings.Cut(id, ": ")
		_, line, ok := strings.Cut(id, " of: ")
		require.True(t, ok, id)
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		require.NoError(t, err, id)
		assert.Contains(t, string(text), line, id)
	}
}

// TestMutants are tried on a module of one tested and one untested function: what no test
// reaches counts like the rest, what does not compile does not, equal programs are told.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the tool that lists mutants")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module example.com/p\n\ngo 1.24\n",
		"p.go":      "package p\n\nfunc Max(a, b int) int {\n\tif a > b {\n\t\treturn a\n\t}\n\treturn b\n}\n\nfunc Untested(a int) bool { return a == 3 }\n",
		"p_test.go": "package p\n\nimport \"testing\"\n\nfunc TestMax(t *testing.T) {\n\tif Max(1, 2) != 2 || Max(2, 1) != 2 {\n\t\tt.Fatal()\n\t}\n}\n",
		"equal.txt": "p.go: > became >= at column 7 of: if a > b {\n  of equal numbers either is the greatest\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
	}
	t.Chdir(root)
	var out strings.Builder
	isGood, err := run(context.Background(), options{n: 10, workers: 2, seed: 1, bar: 60, timeout: 1e10, equal: filepath.Join(root, "equal.txt")}, []string{"."}, &out)
	require.NoError(t, err)
	assert.False(t, isGood)
	assert.Contains(t, out.String(), "equal: p.go:4:7: > became >= in: if a > b {\n    of equal numbers either is the greatest\n")
	assert.Contains(t, out.String(), "survived: p.go:10:")
	assert.Contains(t, out.String(), ".: 1 of 2 mutants killed, 50 %, 0 by the timeout; 1 are equal programs (seed 1, of 3")
	isGood, err = run(context.Background(), options{n: 10, workers: 1, seed: 1, bar: 50, timeout: 1e10, equal: filepath.Join(root, "equal.txt")}, []string{"."}, &out)
	require.NoError(t, err)
	assert.True(t, isGood)
	_, err = run(context.Background(), options{n: 1, workers: 1}, []string{"./no/such"}, &out)
	assert.Error(t, err)
}
