package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadAndApply(t *testing.T) {
	text := []byte("package p\n\nfunc f(a, b int) bool { return a<=b && a-1 > 0 }\n")
	for _, c := range []struct {
		kind string
		col  int
		want string // empty where the listing names no change
	}{
		{"CONDITIONALS_BOUNDARY", 33, "return a<b && a-1 > 0 }"},
		{"CONDITIONALS_NEGATION", 33, "return a>b && a-1 > 0 }"},
		{"INVERT_LOGICAL", 37, "return a<=b || a-1 > 0 }"},
		{"ARITHMETIC_BASE", 41, "return a<=b && a+1 > 0 }"},
		{"INVERT_LOGICAL", 33, ""},
		{"INVERT_LOGICAL", 32, ""},
	} {
		m := read(text, c.kind, 3, c.col)
		if c.want == "" {
			assert.Nil(t, m, c.kind)
			continue
		}
		require.NotNil(t, m, "%s %d", c.kind, c.col)
		assert.Contains(t, string(m.apply(text)), c.want)
		assert.Equal(t, "func f(a, b int) bool { return a<=b && a-1 > 0 }", m.Text)
	}
}

// TestEqualsHaveReasons: a mutant without one is refused, not passed over.
func TestEqualsHaveReasons(t *testing.T) {
	file := filepath.Join(t.TempDir(), "equal.txt")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o644)) }
	write("# of a package\na/b.go: < became <= at column 3 of: if a < b {\n  for two\n  reasons\n\nc.go: x\n  why\n")
	list, err := equals(file)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a/b.go: < became <= at column 3 of: if a < b {": "for two reasons", "c.go: x": "why"}, list)
	for _, text := range []string{"c.go: x\n", "c.go: x\nd.go: y\n  why\n"} {
		write(text)
		_, err = equals(file)
		assert.ErrorContains(t, err, "no reason for c.go: x")
	}
	list, err = equals(filepath.Join(t.TempDir(), "none"))
	require.NoError(t, err)
	assert.Empty(t, list)
}

// TestOutcomes runs a module whose tests notice one change, never end with another, and
// overlook the third; and one whose tests fail as it is.
func TestOutcomes(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write("go.mod", "module p\n\ngo 1.24\n")
	const source = "package p\n\nfunc f(n int) int {\n\ts := 0\n\tfor i := 0; i < n; i++ {\n\t\ts += i\n\t}\n\treturn s + 0*n\n}\n"
	write("p.go", source)
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
