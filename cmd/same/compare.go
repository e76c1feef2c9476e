package main

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// binary are the endings of outputs that are no text.
var binary = []string{".o", ".weights"}

var (
	versionText  = regexp.MustCompile(`dnnc \d+\.\d+\.\d+[\w.+-]*, C interface \d+\.\d+\.\d+[\w.+-]*`)
	versionBytes = regexp.MustCompile(`(_version\[)\d+\]|(_version = constant \[)\d+ x i8\]`) // its length, in C and in LLVM IR
	hashArrays   = regexp.MustCompile(`(?s)(_(?:version|content)\[\d*\]? = \{).*?\};`)
	constants    = regexp.MustCompile(`("constant_bytes": )\d+`)
	// paths are where a build lay, and hashes those of outputs with their content hash.
	paths = regexp.MustCompile(`("(?:source|calibration|data)": )"[^"]*"`)
	sums  = regexp.MustCompile(`("(?:sum|sha256)": )"[0-9a-fX]*"`)
)

// mask takes out of an output what may differ: version strings, constant_bytes, paths and
// sums of a certificate, and
// the hashes given: the content hash, and the hash of an input that was renamed. A
// text's data are folded to their hashes, each on its own line, so that the cache is
// small and the numbers of lines stay true. Of a binary output a line is the hash of
// 256 bytes; there masks keep lengths, so that a longer version string shows.
func mask(ending string, content []byte, hashes ...string) string {
	for _, h := range hashes {
		if h != "" {
			content = bytes.ReplaceAll(content, []byte(h), bytes.Repeat([]byte("X"), len(h)))
		}
	}
	if slices.Contains(binary, ending) {
		content = versionText.ReplaceAllFunc(content, func(v []byte) []byte { return bytes.Repeat([]byte("X"), len(v)) })
		var s strings.Builder
		for at := 0; at < len(content); at += 256 {
			fmt.Fprintf(&s, "%#08x %s\n", at, short(content[at:min(at+256, len(content))]))
		}
		return s.String()
	}
	if ending == ".c" || ending == ".ll" {
		content = []byte(fold(string(content))) // first: the rest is short
	}
	content = versionText.ReplaceAll(content, []byte("VERSION"))
	content = versionBytes.ReplaceAll(content, []byte("${1}${2}]"))
	switch ending {
	case ".json":
		content = constants.ReplaceAll(content, []byte("${1}-"))
		content = paths.ReplaceAll(content, []byte(`${1}"-"`))
		content = sums.ReplaceAll(content, []byte(`${1}"-"`))
	case ".c":
		content = hashArrays.ReplaceAll(content, []byte("${1}};"))
	}
	return string(content)
}

// fold replaces long lines by their start and hash, and a run of lines of numbers
// by its hash on the first of them.
func fold(text string) string {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if len(lines[i]) > 1000 {
			lines[i] = fmt.Sprintf("%s... %d bytes, sha256 %s", lines[i][:100], len(lines[i]), short([]byte(lines[i])))
			continue
		}
		n := 0
		for i+n < len(lines) && isData(lines[i+n]) {
			n++
		}
		if n > 1 {
			lines[i] = fmt.Sprintf("%d lines of data, sha256 %s", n, short([]byte(strings.Join(lines[i:i+n], "\n"))))
			clear(lines[i+1 : i+n])
			i += n - 1
		}
	}
	return strings.Join(lines, "\n")
}

// isData reports whether a line of C has nothing but elements of an array.
func isData(line string) bool {
	return strings.HasSuffix(line, ",") && strings.Trim(line, " -,0123456789") == ""
}

func hash(b []byte) []byte { h := sha256.Sum256(b); return h[:] }

func short(b []byte) string { return fmt.Sprintf("%x", hash(b)[:8]) }

// renaming is one line of the table of renamed names.
type renaming struct {
	old *regexp.Regexp
	new string
}

//go:embed renamed.txt
var renamedTable string

// renamings reads the table of renamed attributes and fields.
func renamings(table string) ([]renaming, error) {
	var list []renaming
	for i, line := range strings.Split(table, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		old, to, ok := strings.Cut(line, " -> ")
		old, to = strings.TrimSpace(old), strings.TrimSpace(to)
		if !ok || old == "" || to == "" {
			return nil, fmt.Errorf(`renamed.txt:%d: %q is not "old -> new"`, i+1, line)
		}
		after := `([^\w.]|$)`
		if !strings.ContainsAny(old, " :") {
			after = `("?:)`
		}
		list = append(list, renaming{regexp.MustCompile(`(?m)(^|[^\w.])` + regexp.QuoteMeta(old) + after), "${1}" + strings.ReplaceAll(to, "$", "$$") + "${2}"})
	}
	return list, nil
}

// rename applies the table to a dump or a certificate of the base.
func rename(table []renaming, ending, text string) string {
	if ending != ".dnn" && ending != ".json" {
		return text
	}
	for _, r := range table {
		text = r.old.ReplaceAllString(text, r.new)
	}
	return text
}

// difference says where two texts first differ, "" where they do not.
func difference(base, now string) string {
	if base == now {
		return ""
	}
	a, b := strings.Split(base, "\n"), strings.Split(now, "\n")
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	line := func(l []string) string {
		if i >= len(l) {
			return ""
		}
		return l[i]
	}
	x, y := line(a), line(b)
	k := 0
	for k < len(x) && k < len(y) && x[k] == y[k] {
		k++
	}
	part := func(s string) string { return s[min(max(0, k-30), len(s)):min(k+50, len(s))] }
	switch {
	case i >= len(a):
		return fmt.Sprintf("line %d: the base ends, now %q", i+1, part(y))
	case i >= len(b):
		return fmt.Sprintf("line %d: base %q, now ends", i+1, part(x))
	}
	return fmt.Sprintf("line %d, byte %d: base %q, now %q", i+1, k+1, part(x), part(y))
}
