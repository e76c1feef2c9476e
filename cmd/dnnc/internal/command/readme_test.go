package command_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/passes"
)

// documents name flags, passes and files in prose.
var documents = []string{"README.md", "RESULTS.md", "HACKING.md", "cmd/dnnc/README.md", "frontend/README.md", "codegen/README.md", "RATIONALE.md", "ir/README.md", "passes/README.md", "runtime/README.md",
	"cmd/site/tutorials/_index.md", "cmd/site/tutorials/pytorch.md", "cmd/site/tutorials/sensor.md", "cmd/site/tutorials/mobilenet.md", "cmd/site/tutorials/doorbell.md", "cmd/site/tutorials/guard.md"}

// read is the text of a document.
func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dnnctest.Root, path))
	require.NoError(t, err)
	return string(raw)
}

// TestReadmeNamesWhatThereIs: flags and passes that documents, help and manual name exist.
func TestReadmeNamesWhatThereIs(t *testing.T) {
	readme := ""
	for _, path := range documents {
		readme += read(t, path) + "\n"
	}
	_, help, _ := dnnctest.Run(t, "-help")
	flags := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^  -(\S+)`).FindAllStringSubmatch(help, -1) {
		flags[m[1]] = true
	}
	require.Greater(t, len(flags), 30)
	named := 0
	for _, line := range strings.Split(readme, "\n") {
		command, is := strings.CutPrefix(strings.TrimPrefix(strings.TrimSpace(line), "bin/"), "dnnc ")
		if !is {
			continue
		}
		command = regexp.MustCompile(`[#;|>&].*`).ReplaceAllString(command, "")
		for _, m := range regexp.MustCompile(`\s-([A-Za-z][\w-]*)`).FindAllStringSubmatch(" "+command, -1) {
			assert.True(t, flags[m[1]], "-%s of %s", m[1], line)
			named++
		}
	}
	for _, m := range regexp.MustCompile("`-([A-Za-z][\\w-]*)[^`]*`").FindAllStringSubmatch(readme, -1) {
		assert.True(t, flags[m[1]], m[0])
		named++
	}
	assert.Greater(t, named, 80)
	_, manual, _ := dnnctest.Run(t, "man")
	found := 0
	for _, text := range []string{readme, help, strings.ReplaceAll(manual, `\-`, "-")} {
		for _, m := range regexp.MustCompile(`(?:-st(?:op|art)-after |-diff )([a-z][a-z,-]*)|-d=([a-z-]+)/dump|two passes: ([a-z,-]+)`).FindAllStringSubmatch(text, -1) {
			for _, name := range strings.Split(m[1]+m[2]+m[3], ",") {
				if name == "pass" || name == "passes" { // what a value is called
					continue
				}
				_, err := passes.Table.Find(name)
				assert.NoError(t, err, m[0])
				found++
			}
		}
	}
	assert.Greater(t, found, 8)
}

// TestReadmeIsShort: the first document that a user sees stays short.
func TestReadmeIsShort(t *testing.T) {
	assert.LessOrEqual(t, strings.Count(read(t, "README.md"), "\n"), 150)
}

// TestDocumentsNameFilesThatExist: relative links, and paths in backquotes that begin with a
// folder of the repository.
func TestDocumentsNameFilesThatExist(t *testing.T) {
	links, paths := 0, 0
	for _, document := range documents {
		text := read(t, document)
		for _, m := range regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]*))?\)`).FindAllStringSubmatch(text, -1) {
			to := filepath.Join(filepath.Dir(document), m[1])
			if m[1] == "" {
				to = document
			}
			_, err := os.Stat(filepath.Join(dnnctest.Root, to))
			assert.NoError(t, err, "%s links to %s", document, to)
			if err == nil && m[2] != "" {
				assert.Contains(t, anchors(read(t, to)), m[2], "%s links to a heading of %s", document, to)
			}
			links++
		}
		for _, m := range regexp.MustCompile("`((?:ir|passes|codegen|frontend|runtime|cmd|testdata)/[\\w./-]*)`").FindAllStringSubmatch(text, -1) {
			_, err := os.Stat(filepath.Join(dnnctest.Root, m[1]))
			assert.NoError(t, err, "%s names %s", document, m[1])
			paths++
		}
	}
	assert.Greater(t, links, 20)
	assert.Greater(t, paths, 60)
}

// anchors are the headings of a document in the form of links: lower case, hyphens for blanks,
// without marks.
func anchors(text string) (list []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		words := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		list = append(list, strings.ReplaceAll(words, " ", "-"))
	}
	return list
}

// TestReadmeExampleCompiles: the program of the README fits the header that dnnc writes.
func TestReadmeExampleCompiles(t *testing.T) {
	dnnctest.Need(t, "gcc")
	_, rest, ok := strings.Cut(read(t, "README.md"), "    #include")
	require.True(t, ok)
	program, _, ok := strings.Cut("    #include"+rest, "\n\nProve")
	require.True(t, ok)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.c"), []byte(strings.ReplaceAll(program, "\n    ", "\n")[4:]+"\n"), 0o644))
	code, _, stderr := dnnctest.Run(t, "-images", "16", dnnctest.Lenet, "-target", "armv6m", "-emit", "c", "-o", filepath.Join(dir, "lenet5.c"))
	require.Zero(t, code, stderr)
	dnnctest.Tool(t, dir, "gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-c", "main.c")
}

// TestMakefileRunsWhatThereIs: each test that make names exists in the package beside it.
func TestMakefileRunsWhatThereIs(t *testing.T) {
	found := 0
	for _, m := range regexp.MustCompile(`-run "?([\w|]+)"? \./(\S+)`).FindAllStringSubmatch(read(t, "Makefile"), -1) {
		files, err := filepath.Glob(filepath.Join(dnnctest.Root, m[2], "*_test.go"))
		require.NoError(t, err)
		var tests strings.Builder
		for _, path := range files {
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			tests.Write(raw)
		}
		for _, name := range strings.Split(m[1], "|") {
			assert.Regexp(t, `(?m)^func Test\w*`+name, tests.String(), "%s of %s", name, m[2])
			found++
		}
	}
	assert.Greater(t, found, 10)
}
