// Package site has the documents as a static site, and the tutorials, which are tests.
package site

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fence is a block of a tutorial: sh is run; text is what the block before it prints; a block
// with a file's name is that file; anything else is only read.
type fence struct{ language, file, text string }

var fences = regexp.MustCompile("(?ms)^```([a-z]+)(?: \\{title=\"(\\S+)\"\\})?\n(.*?)^```$")

func parse(t *testing.T, path string) (list []fence) {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, m := range fences.FindAllStringSubmatch(string(raw), -1) {
		list = append(list, fence{m[1], m[2], m[3]})
	}
	assert.Equal(t, strings.Count(string(raw), "```"), 2*len(list), "%s: a block is not closed, or has no language", path)
	return list
}

func tutorials(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("tutorials/[^_]*.md")
	require.NoError(t, err)
	require.Len(t, list, 5)
	return list
}

// TestTutorialsAreWhole: what a tutorial runs it has written before, and each file that it
// writes is used.
func TestTutorialsAreWhole(t *testing.T) {
	for _, path := range tutorials(t) {
		later := ""
		list := parse(t, path)
		for i := len(list) - 1; i >= 0; i-- {
			if f := list[i]; f.file != "" {
				assert.Contains(t, later, f.file, "%s writes %s, which no later block uses", path, f.file)
			}
			later += list[i].text
		}
		for i, f := range list {
			if f.language == "text" {
				require.Greater(t, i, 0, path)
				assert.Equal(t, "sh", list[i-1].language, "%s: an output that no command prints", path)
			}
		}
	}
}

// TestTutorials runs every block in an empty folder, as a reader would. DNNC_TUTORIALS is the
// folder of a Python with PyTorch; make test-adoption sets it.
func TestTutorials(t *testing.T) {
	python := os.Getenv("DNNC_TUTORIALS")
	if python == "" {
		t.Skip("DNNC_TUTORIALS names no folder of Python")
	}
	bin := t.TempDir()
	out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "dnnc"), "../dnnc").CombinedOutput()
	require.NoError(t, err, string(out))
	for _, path := range tutorials(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".md"), func(t *testing.T) {
			dir, printed := t.TempDir(), ""
			for _, f := range parse(t, path) {
				switch {
				case f.file != "":
					require.NoError(t, os.WriteFile(filepath.Join(dir, f.file), []byte(f.text), 0o644))
				case f.language == "sh":
					c := exec.Command("sh", "-euc", f.text)
					c.Dir, c.Env = dir, append(os.Environ(), "PATH="+bin+":"+python+":"+os.Getenv("PATH"))
					out, err := c.CombinedOutput()
					printed = string(out)
					require.NoError(t, err, "%s\n%s", f.text, printed)
					t.Logf("%s%s", f.text, printed)
				case f.language == "text":
					assert.Regexp(t, pattern(f.text), printed)
				}
			}
		})
	}
}

// pattern is an expression for a part of an output, in which "..." stands for anything.
func pattern(text string) *regexp.Regexp {
	return regexp.MustCompile("(?s)" + strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(text)), regexp.QuoteMeta("..."), ".*"))
}
